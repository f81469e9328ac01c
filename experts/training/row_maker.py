"""Chooses and makes the training rows of a recipe."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from experts.prompt import PromptInput, PromptParts, PromptTurn
from experts.training.own_text import own_text
from experts.training.recipes import Recipe
from experts.training.rows import Quote, TrainingRow, plan_segments, read_rows
from experts.training.synthesis.errands import Errand, Errands
from experts.training.synthesis.notes import Notes, reading_parts
from experts.training.synthesis.queries import draw_query
from experts.training.synthesis.questions import Question, Questions
from experts.training.synthesis.stories import story, tale
from experts.training.synthesis.subjects import Subject, read_subjects
from experts.training.synthesis.tasks import Calculate, ComposedTask, Piece, Topic, World, compose
from experts.training.synthesis.vocabulary import Vocabulary

MAX_TOKENS = 400
"""A longer row of a data set is passed over."""
_LONGEST_TOPIC = 200
"""Characters; longer rows would make a composed task mostly one quotation."""
_ASKED_ALONE, _IN_TASK = 0.85, 0.2
"""Parts of the sql expert's synthetic rows: questions outside composed tasks, and of these the steps of short tasks."""
_RECOMBINED = 0.85
_ERRANDS = 0.65
"""Part of the planner's and the math expert's tasks; the others are composed ones."""
_STORIES = 0.4
"""Part of the math expert's synthetic rows that are no step of a task."""
_ROWS_OF_TABLE = 6
_LAW_REQUESTS = (
    "Which type of contract clause is this: {x}",
    "Classify this contract clause: {x}",
    "What kind of contract clause is the following: {x}",
    "Name the type of this contract clause: {x}",
    "What does this contract clause regulate: {x}",
)
_MEDICAL_REQUESTS = (
    "What does this medical passage describe: {x}",
    "What is this medical passage about: {x}",
    "Classify this medical passage: {x}",
    "Say what this medical text describes: {x}",
)
_IN_COMPANY = frozenset(("cuad_clause_type", "medquad_qtype", "medquad", "conala", "nl2bash"))
_REQUESTS = {"cuad_clause_type": _LAW_REQUESTS, "medquad_qtype": _MEDICAL_REQUESTS}


_TOPICS = (
    # data set | expert | how many of its short rows stand in composed tasks
    ("cuad_clause_type", "law", 160),
    ("medquad_qtype", "medical", 130),
    ("conala", "code", 60),
    ("nl2bash", "code", 60),
    ("medquad", "medical", 50),
)
_NUM_FACTS = 60


@dataclass(frozen=True, slots=True)
class RowMaker:
    """Draws rows from the data directory and from the synthesis, seeded."""

    data: Path
    world: World
    errands: Errands
    questions: Questions
    count_tokens: Callable[[TrainingRow], int]
    rng: random.Random

    @classmethod
    def load(
        cls, data: Path, count_tokens: Callable[[TrainingRow], int], calculate: Calculate, seed: str
    ) -> "RowMaker":
        """Read what the composed tasks are about. Raises DatasetError."""
        rng = random.Random(seed)
        subjects = read_subjects(data)
        world = World(Vocabulary.load(), _topics(data, rng, subjects["general"]), Notes.load("notes"), calculate)
        errands = Errands(world, subjects)
        return cls(data, world, errands, Questions.load("questions"), count_tokens, rng)

    def rows(self, recipe: Recipe) -> dict[str, list[TrainingRow]]:
        """The rows of a recipe by data set, within each set's tokens. Raises DatasetError."""
        chosen: dict[str, list[TrainingRow]] = {}
        for name, budget in recipe.sets.items():
            rows = read_rows(self.data / name / "train.jsonl")
            self.rng.shuffle(rows)
            rows = [self._in_company(name, self._rephrased(name, row)) for row in rows]
            chosen[name] = rows_within(rows, budget, self.count_tokens)
        if recipe.synthetic_tokens:
            chosen["synthetic"] = self._synthetic(recipe)
        return chosen

    def _rephrased(self, name: str, row: TrainingRow) -> TrainingRow:
        """Half of the classification rows ask as people do: no list of options."""
        return row if self.rng.random() < 0.5 else asked(name, row, self.rng)

    def _in_company(self, name: str, row: TrainingRow) -> TrainingRow:
        """Some rows stand as one step of a larger task, as the service asks them."""
        text, rng, vocabulary = row.parts.task, self.rng, self.world.vocabulary
        if name not in _IN_COMPANY or len(text) > _LONGEST_TOPIC or rng.random() < 0.5:
            return row
        other = rng.choice((story(rng, vocabulary).said, draw_query(rng, vocabulary, number=True).question))
        task = rng.choice((f"{other} {text}", f"{text} {other}"))
        return replace(row, parts=PromptParts(task, step=text))

    def _synthetic(self, recipe: Recipe) -> list[TrainingRow]:
        budget, rows = recipe.synthetic_tokens, list[TrainingRow]()
        while budget > 0:
            made = self._made(recipe.name, f"synthetic-{len(rows)}")
            rows += made
            budget -= sum(self.count_tokens(row) for row in made)
        return rows

    def _made(self, expert: str, identifier: str) -> list[TrainingRow]:
        if expert == "reader":
            return [self._reading_row(identifier)]
        if expert == "planner" and self.rng.random() < _ERRANDS:
            return [_plan_row(self.errands.draw(self.rng), identifier)]
        if expert == "sql" and self.rng.random() < _ASKED_ALONE:
            return [self._query_row(identifier)]
        if expert == "math" and self.rng.random() < _STORIES:
            made = self.rng.choice((story, tale))(self.rng, self.world.vocabulary)
            return [TrainingRow(identifier, PromptParts(made.said), (made.expression,), made.expression)]
        if expert == "math" and self.rng.random() < _ERRANDS:
            errand = self.errands.draw(self.rng)
        else:
            errand = Errand(compose(self.rng, self.world, with_files=expert == "planner"))
        if expert == "planner":
            return [_plan_row(errand, identifier)]
        pieces = errand.composed.steps
        indices = [i for i, piece in enumerate(pieces) if piece.expert == expert and piece.written]
        return [_step_row(errand, i, f"{identifier}-{i}") for i in indices]

    def _query_row(self, identifier: str) -> TrainingRow:
        """A question over invented tables; some stand beside another one, as one step of a task."""
        asked, text, rng = self._question(), "", self.rng
        if rng.random() < _IN_TASK:
            other = rng.choice((self._question().text, story(rng, self.world.vocabulary).said))
            text = rng.choice((f"{asked.text} {other}", f"{other} {asked.text}"))
        parts = PromptParts(text or asked.text, step=asked.text if text else "", context=asked.tables)
        return TrainingRow(identifier, parts, (asked.query,), asked.query)

    def _reading_row(self, identifier: str) -> TrainingRow:
        """A question over invented notes; some stand beside another one, as one step of a task."""
        reading, rng, task = self.world.notes.ask(self.rng), self.rng, ""
        if rng.random() < _IN_TASK:
            other = story(rng, self.world.vocabulary).said
            task = rng.choice((f"{reading.question} {other}", f"{other} {reading.question}"))
        return TrainingRow(identifier, reading_parts(reading, task), (reading.answer,), reading.answer)

    def _question(self) -> Question:
        rng = self.rng
        subjects = [
            self.questions.recombined(rng) if rng.random() < _RECOMBINED else subject
            for subject in rng.sample(self.questions.subjects, 3)
        ]
        table, *others = (self.questions.table(rng, subject, _ROWS_OF_TABLE) for subject in subjects)
        return self.questions.ask(rng, table, others)


def rows_within(
    rows: Sequence[TrainingRow], budget: int, count_tokens: Callable[[TrainingRow], int]
) -> list[TrainingRow]:
    """Rows in order until the budget of tokens is spent; those of more than `MAX_TOKENS` are passed over."""
    taken: list[TrainingRow] = []
    for row in rows:
        size = count_tokens(row)
        if size <= min(budget, MAX_TOKENS):
            budget -= size
            taken.append(row)
        if budget < 30:
            break
    return taken


def _topics(data: Path, rng: random.Random, general: Sequence[Subject]) -> list[Topic]:
    """Short questions of the other domains for composed tasks, and some that no domain expert is for."""
    topics: list[Topic] = []
    for name, expert, limit in _TOPICS:
        rows = [asked(name, row, rng) for row in read_rows(data / name / "train.jsonl")]
        short = [row for row in rows if len(row.parts.task) <= _LONGEST_TOPIC and "#" not in row.parts.task]
        chosen = rng.sample(short, min(limit, len(short)))
        topics += [Topic(row.parts.task, expert, row.response, Quote(name, row.id)) for row in chosen]
    facts = rng.sample(general, min(_NUM_FACTS, len(general)))
    return topics + [Topic(fact.text, fact.expert, "", fact.quote) for fact in facts]


def asked(name: str, row: TrainingRow, rng: random.Random) -> TrainingRow:
    """A classification row in everyday words; any other row as it is."""
    if name not in _REQUESTS:
        return row
    text = rng.choice(_REQUESTS[name]).format(x=own_text(name, row.parts.task))
    return replace(row, parts=PromptParts(text))


def _plan_row(errand: Errand, identifier: str) -> TrainingRow:
    composed = errand.composed
    segments = plan_segments([(piece.step, piece.expert) for piece in composed.steps])
    parts = PromptParts(composed.task, turns=_turns(errand))
    return TrainingRow(identifier, parts, segments, "".join(segments), composed.quotes)


def _step_row(errand: Errand, index: int, identifier: str) -> TrainingRow:
    """A step as the service asks it: the task, the results it depends on, its text with the results filled in."""
    composed = errand.composed
    piece = composed.steps[index]
    needed = [k for k in range(1, index + 1) if f"#{k}" in piece.step]
    earlier = {k: composed.steps[k - 1] for k in needed}
    inputs = tuple(PromptInput(k, _filled(one, composed), one.result) for k, one in earlier.items())
    text = _filled(piece, composed)
    parts = PromptParts(
        composed.task, inputs, "" if text == composed.task else text, piece.context, turns=_turns(errand)
    )
    return TrainingRow(identifier, parts, (piece.written,), piece.written, composed.quotes)


def _turns(errand: Errand) -> tuple[PromptTurn, ...]:
    return tuple(PromptTurn(task, answer) for task, answer in errand.turns)


def _filled(piece: Piece, composed: ComposedTask) -> str:
    text = piece.step
    for k, earlier in enumerate(composed.steps, 1):
        text = text.replace(f"#{k}", earlier.result)
    return text
