"""Multi-domain tasks with the plan that answers them and what each step's expert writes."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from experts.training.rows import Quote
from experts.training.synthesis import arithmetic
from experts.training.synthesis.notes import Notes
from experts.training.synthesis.queries import Query, draw_pair, draw_query, draw_twins
from experts.training.synthesis.stories import story
from experts.training.synthesis.vocabulary import Vocabulary

_STARTING_WORDS = frozenset(
    "Multiply Divide Add Subtract What How Double Increase Reduce If Split Take Find Look Give Tell In Get Count Sum "
    "Which Name List Write Classify Does Is Who When Where By Show Explain".split()
)
"""First words of a sentence that may stand in lower case behind another word; a name may not."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A question of a domain that a task may contain, with the answer its expert gives."""

    text: str
    expert: str
    answer: str
    quote: Quote | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """A step while its task is being put together: `said` in the task, `step` in the plan, `written` by the expert."""

    said: str
    step: str
    expert: str
    written: str
    context: str = ""
    result: str = ""
    quote: Quote | None = None


@dataclass(frozen=True, slots=True)
class ComposedTask:
    """A task and its steps; `#k` in a step is the result of step k."""

    task: str
    steps: tuple[Piece, ...]

    @property
    def quotes(self) -> tuple[Quote, ...]:
        """The rows of data sets that stand in it."""
        return tuple(piece.quote for piece in self.steps if piece.quote is not None)


Calculate = Callable[[str], str]
"""The value of an expression, as the calculator tool prints it."""


@dataclass(frozen=True, slots=True)
class World:
    """What tasks are about, and who computes."""

    vocabulary: Vocabulary
    topics: Sequence[Topic]
    notes: Notes
    calculate: Calculate


class _Composer:
    """Puts pieces together in order."""

    def __init__(self, rng: random.Random, world: World) -> None:
        self.rng, self.world = rng, world
        self.pieces: list[Piece] = []
        self.noun = ""

    def add(self, kind: str) -> None:
        """Draw the next piece."""
        match kind:
            case "query" | "text_query":
                query = draw_query(self.rng, self.world.vocabulary, number=kind == "query")
                self._ask(query)
            case "pair" | "twins":
                draw = draw_pair if kind == "pair" else draw_twins
                for query in draw(self.rng, self.world.vocabulary):
                    self._ask(query)
            case "story":
                made = story(self.rng, self.world.vocabulary)
                result = self.world.calculate(made.expression)
                self.pieces.append(Piece(made.said, made.step, "math", made.expression, result=result))
            case "reading" | "number_reading":
                made = self.world.notes.ask(self.rng, number=kind == "number_reading")
                context = f"Passages:\n{made.passages}"
                self.pieces.append(Piece(made.question, made.question, "reader", made.answer, context, made.answer))
            case "topic":
                topic = self.rng.choice(self.world.topics)
                self.pieces.append(Piece(topic.text, topic.text, topic.expert, topic.answer, quote=topic.quote))
            case "on_last":
                made = arithmetic.on_one(self.rng, self.noun)
                self._calculate(made, len(self.pieces), len(self.pieces))
            case _:
                self._calculate(arithmetic.on_two(self.rng), len(self.pieces) - 1, len(self.pieces))

    def _ask(self, query: Query) -> None:
        self.pieces.append(Piece(query.said, query.question, "sql", query.sql, query.tables, query.result))

    def _calculate(self, made: arithmetic.Calculation, first: int, second: int) -> None:
        step = made.step.format(a=f"#{first}", b=f"#{second}")
        self.noun = made.noun
        written = made.expression.format(a=self.pieces[first - 1].result, b=self.pieces[second - 1].result)
        self.pieces.append(Piece(made.said, step, "math", written, result=self.world.calculate(written)))


_PATTERNS = (
    # how often | the pieces in their order
    (5, "query on_last"),
    (2, "query query on_last_two"),
    (5, "twins on_last_two"),
    (2, "twins on_last_two on_last"),
    (2, "query on_last on_last"),
    (2, "query query on_last_two on_last"),
    (4, "pair on_last_two"),
    (1, "pair on_last_two on_last"),
    (2, "story on_last"),
    (7, "story topic"),
    (6, "topic story"),
    (4, "query topic"),
    (2, "topic query"),
    (2, "topic query on_last"),
    (3, "query on_last topic"),
    (2, "story on_last topic"),
    (2, "topic topic"),
    (2, "query story"),
    (1, "query story on_last_two"),
    (1, "text_query query"),
    (1, "story"),
    (1, "topic"),
    (1, "query"),
)
_WITH_FILES = (
    (5, "number_reading on_last"),
    (3, "number_reading number_reading on_last_two"),
    (3, "number_reading query on_last_two"),
    (2, "reading query"),
    (2, "query reading"),
    (2, "reading topic"),
    (2, "story reading"),
    (1, "reading"),
)
"""Beside the others for those who are to know of the user's files."""


def compose(rng: random.Random, world: World, *, with_files: bool = False) -> ComposedTask:
    """One task of one to four steps, about the user's files too if that is wanted."""
    composer = _Composer(rng, world)
    patterns = (*_PATTERNS, *_WITH_FILES) if with_files else _PATTERNS
    pattern = rng.choices(patterns, [weight for weight, _ in patterns])[0][1]
    for kind in pattern.split():
        composer.add(kind)
    pieces = composer.pieces
    said, steps = _join(rng, pieces)
    return ComposedTask(said, tuple(replace(piece, step=step) for piece, step in zip(pieces, steps, strict=True)))


def _join(rng: random.Random, pieces: Sequence[Piece]) -> tuple[str, list[str]]:
    """The task's text, and each step's text as it then stands in the task."""
    style = rng.choice(("plain", "plain", "plain", "words", "words", "and", "and"))
    said: list[str] = []
    steps: list[str] = []
    for index, piece in enumerate(pieces):
        text, step = piece.said, piece.step
        if not text:  # the sentence before has said it
            steps.append(step)
            continue
        movable = text.split()[0] in _STARTING_WORDS
        if style == "words" and len(pieces) > 1 and movable:
            word = _order_word(rng, index, len(pieces))
            text, step = f"{word}{_lower(text)}", _lower_copy(step, text)
        elif style == "and" and index == 1 and movable and len(pieces[0].said) < 90:
            said[0], steps[0] = said[0].rstrip(".?"), steps[0].rstrip(".?")
            joint = rng.choice((" and ", ", then ", " and then ", ", and ", "; "))
            text, step = joint.lstrip() + _lower(text), _lower_copy(step, text)
            said[0] += joint[: len(joint) - len(joint.lstrip())] if joint[0] == " " else ""
        said.append(text)
        steps.append(step)
    task = " ".join(part.strip() for part in said)
    return task.replace(" , ", ", ").replace(" ;", ";"), steps


def _order_word(rng: random.Random, index: int, count: int) -> str:
    if index == 0:
        return rng.choice(("First, ", "First ", "To begin, ", "Start with this: ", "Please "))
    if index == count - 1:
        return rng.choice(("Then ", "Finally, ", "After that, ", "Then, ", "Also, ", "Next, "))
    return rng.choice(("Then ", "Next, ", "After that, ", "Also "))


def _lower_copy(step: str, text: str) -> str:
    """The step with the task's words in it as they then stand there."""
    return step.removesuffix(text) + _lower(text) if step.endswith(text) else step


def _lower(text: str) -> str:
    return text[0].lower() + text[1:]
