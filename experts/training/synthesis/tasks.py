"""Multi-domain tasks with the plan that answers them and what each step's expert writes."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from experts.training.synthesis import arithmetic
from experts.training.synthesis.queries import draw_query

_PLAIN_WORDS = frozenset(
    [
        "Multiply",
        "Divide",
        "Add",
        "Subtract",
        "What",
        "How",
        "Double",
        "Increase",
        "Reduce",
        "If",
        "Split",
        "Take",
        "Find",
        "Look",
        "Give",
        "Tell",
        "In",
        "Get",
        "Count",
        "Sum",
        "Which",
        "Name",
        "List",
        "Write",
        "Classify",
        "Does",
        "Is",
        "Who",
        "When",
        "Where",
        "By",
        "Show",
        "Explain",
    ]
)


@dataclass(frozen=True, slots=True)
class Topic:
    """A question of a domain that a task may contain, with the answer its expert gives."""

    text: str
    expert: str
    answer: str


@dataclass(frozen=True, slots=True)
class Piece:
    """A step while its task is being put together: `said` in the task, `step` in the plan, `written` by the expert."""

    said: str
    step: str
    expert: str
    written: str
    context: str = ""
    result: str = ""


@dataclass(frozen=True, slots=True)
class ComposedTask:
    """A task and its steps; `#k` in a step is the result of step k."""

    task: str
    steps: tuple[Piece, ...]


Calculate = Callable[[str], str]
"""The value of an expression, as the calculator tool prints it."""
Pattern = Callable[["_Composer"], None]


class _Composer:
    """Puts pieces together in order."""

    def __init__(self, rng: random.Random, topics: Sequence[Topic], calculate: Calculate) -> None:
        self.rng, self.topics, self.calculate = rng, topics, calculate
        self.pieces: list[Piece] = []

    def query(self) -> None:
        query = draw_query(self.rng, number=True)
        self.pieces.append(Piece(query.question, query.question, "sql", query.sql, query.tables, query.result))

    def text_query(self) -> None:
        query = draw_query(self.rng)
        self.pieces.append(Piece(query.question, query.question, "sql", query.sql, query.tables, query.result))

    def story(self) -> None:
        made = arithmetic.story(self.rng)
        self.pieces.append(Piece(made.said, made.step, "math", made.expression, result=self.calculate(made.expression)))

    def topic(self) -> None:
        topic = self.rng.choice(self.topics)
        self.pieces.append(Piece(topic.text, topic.text, topic.expert, topic.answer))

    def on_last(self) -> None:
        self._calculate(arithmetic.on_one(self.rng), len(self.pieces), len(self.pieces))

    def on_last_two(self) -> None:
        self._calculate(arithmetic.on_two(self.rng), len(self.pieces) - 1, len(self.pieces))

    def _calculate(self, made: arithmetic.Calculation, first: int, second: int) -> None:
        step = made.step.format(a=f"#{first}", b=f"#{second}")
        written = made.expression.format(a=self.pieces[first - 1].result, b=self.pieces[second - 1].result)
        self.pieces.append(Piece(made.said, step, "math", written, result=self.calculate(written)))


def _patterns() -> tuple[tuple[int, Pattern], ...]:
    def chain(*names: str) -> Pattern:
        def run(composer: _Composer) -> None:
            for name in names:
                getattr(composer, name)()

        return run

    return (
        (5, chain("query", "on_last")),
        (5, chain("query", "query", "on_last_two")),
        (2, chain("query", "on_last", "on_last")),
        (2, chain("query", "query", "on_last_two", "on_last")),
        (2, chain("story", "on_last")),
        (4, chain("story", "topic")),
        (4, chain("topic", "story")),
        (2, chain("query", "topic")),
        (2, chain("topic", "query", "on_last")),
        (3, chain("query", "on_last", "topic")),
        (2, chain("story", "on_last", "topic")),
        (2, chain("topic", "topic")),
        (1, chain("query", "story", "on_last_two")),
        (1, chain("text_query", "query")),
        (
            1,
            chain(
                "story",
            ),
        ),
        (
            1,
            chain(
                "topic",
            ),
        ),
        (
            1,
            chain(
                "query",
            ),
        ),
    )


def compose(rng: random.Random, topics: Sequence[Topic], calculate: Calculate) -> ComposedTask:
    """One task of one to four steps."""
    weights, patterns = zip(*_patterns(), strict=True)
    composer = _Composer(rng, topics, calculate)
    rng.choices(patterns, weights)[0](composer)
    pieces = composer.pieces
    said, steps = _join(rng, pieces)
    return ComposedTask(said, tuple(replace(piece, step=step) for piece, step in zip(pieces, steps, strict=True)))


def _join(rng: random.Random, pieces: Sequence[Piece]) -> tuple[str, list[str]]:
    """The task's text, and each step's text as it then stands in the task."""
    style = rng.choice(("plain", "plain", "plain", "words", "words", "and"))
    said: list[str] = []
    steps: list[str] = []
    for index, piece in enumerate(pieces):
        text, step = piece.said, piece.step
        copied = text.split()[0] == step.split()[0]
        movable = text.split()[0] in _PLAIN_WORDS
        if style == "words" and len(pieces) > 1 and movable:
            word = _order_word(rng, index, len(pieces))
            text, step = f"{word}{_lower(text)}", _lower(step) if copied else step
        elif style == "and" and index == 1 and movable and len(pieces[0].said) < 90:
            said[0], steps[0] = said[0].rstrip(".?"), steps[0].rstrip(".?")
            joint = rng.choice((" and ", ", then ", " and then ", ", and ", "; "))
            text, step = joint.lstrip() + _lower(text), _lower(step) if copied else step
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


def _lower(text: str) -> str:
    return text[0].lower() + text[1:]
