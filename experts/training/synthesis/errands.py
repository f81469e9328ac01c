"""Tasks in more shapes than the composed ones, for planner and math: in passing, in pairs, in lists, in threads."""

import random
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from experts.training.rows import Quote
from experts.training.synthesis.everyday import general_text
from experts.training.synthesis.joining import join
from experts.training.synthesis.stories import story
from experts.training.synthesis.subjects import Subject
from experts.training.synthesis.tasks import ComposedTask, Piece, World

_PATTERNS = (
    # how often | the sentences in their order
    (6, "one follow"),
    (3, "one follow follow"),
    (5, "two compare"),
    (2, "two compare follow"),
    (2, "two compare quoted"),
    (2, "quoted two compare"),
    (1, "two quoted compare_first"),
    (2, "one one compare"),
    (2, "one reading compare"),
    (3, "reading follow"),
    (1, "reading one"),
    (1, "one reading"),
    (2, "story follow"),
    (5, "story quoted"),
    (5, "quoted story"),
    (3, "problem quoted"),
    (2, "quoted problem"),
    (2, "problem follow"),
    (2, "problem one"),
    (2, "one quoted"),
    (2, "quoted one"),
    (2, "one follow quoted"),
    (2, "quoted one follow"),
    (1, "story reading quoted"),
    (1, "quoted quoted"),
    (1, "one story compare"),
    (1, "everyday one"),
    (1, "story everyday"),
    (1, "problem"),
    (1, "quoted"),
    (1, "one"),
)
_QUOTED = ("law", "law", "law", "medical", "medical", "medical", "code", "shell", "medical question", "general")
"""Kinds of what is quoted, as often as they are drawn."""
_OPENINGS = ("What is the {}?", "Get the {}.", "I need the {}.", "Check the {}.", "Tell me the {}.")
_IN_THREAD = 0.12
"""Part of the errands that have earlier turns."""
_RESULTS = ("{x}", "{x}", "The answer is {x}.", "It is {x}.", "- {q} → {x}", "{q} → {x}")


@dataclass(frozen=True, slots=True)
class Errand:
    """A task with its steps, and the earlier tasks of its thread, with their answers."""

    composed: ComposedTask
    turns: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Errands:
    """What they are about."""

    world: World
    subjects: Mapping[str, Sequence[Subject]]
    """By kind."""

    def draw(self, rng: random.Random) -> Errand:
        """One task of one to five steps; some have earlier turns."""
        if rng.random() < _IN_THREAD:
            return self._in_thread(rng)
        return Errand(self._alone(rng))

    def _in_thread(self, rng: random.Random) -> Errand:
        """A task that goes on from the turn before it, or has nothing to do with it."""
        thing, result = rng.choice(_phrases()["things"]), str(rng.randint(2, 2000))
        question, composed = self._of_one(rng, thing, self._name(rng, thing)), self._alone(rng)
        match rng.choice(("shortened", "result", "unrelated")):
            case "shortened":
                first, second = self._shortened(rng, thing)
                question, composed = first.said, ComposedTask(second.said, (second,))
            case "result":
                said, expression = _fill(rng, rng.choice(_phrases()["follow"]))
                written = expression.format(a=result)
                piece = Piece(said, f"{result}: {said}", "math", written, result=self.world.calculate(written))
                composed = ComposedTask(said, (piece,))
            case _:
                pass
        answer = rng.choice(_RESULTS).format(x=result, q=question)
        return Errand(composed, ((question, answer),))

    def _alone(self, rng: random.Random) -> ComposedTask:
        pattern = rng.choices(_PATTERNS, [weight for weight, _ in _PATTERNS])[0][1]
        pieces: list[Piece] = []
        for kind in pattern.split():
            pieces += self._pieces(rng, kind, pieces)
        words = _phrases()
        task, steps = join(rng, pieces, words["before"], words["after"])
        return ComposedTask(task, tuple(replace(piece, step=step) for piece, step in zip(pieces, steps, strict=True)))

    def _pieces(self, rng: random.Random, kind: str, before: Sequence[Piece]) -> list[Piece]:
        """Those of one kind, behind those that are there."""
        match kind:
            case "one":
                thing = rng.choice(_phrases()["things"])
                return [_of_table(self._of_one(rng, thing, self._name(rng, thing)))]
            case "two":
                return self._twins(rng)
            case "follow":
                return [self._calculated(rng, kind, before, (len(before),))]
            case "compare":
                return [self._calculated(rng, kind, before, (len(before) - 1, len(before)))]
            case "compare_first":
                return [self._calculated(rng, "compare", before, (1, 2))]
            case "everyday":
                return [_asks(general_text("everyday", rng), "general")]
            case "reading":
                made = self.world.notes.ask(rng, number=True)
                context = f"Passages:\n{made.passages}"
                return [Piece(made.question, made.question, "reader", made.answer, context, made.answer)]
            case "story":
                made = story(rng, self.world.vocabulary)
                result = self.world.calculate(made.expression)
                return [Piece(made.said, made.said, "math", made.expression, result=result)]
            case _:
                return [self._quoted(rng, kind, {piece.quote for piece in before})]

    def _calculated(self, rng: random.Random, kind: str, before: Sequence[Piece], used: Sequence[int]) -> Piece:
        """A calculation with the results of the steps that are used."""
        said, expression = _fill(rng, rng.choice(_phrases()[kind]))
        results = dict(zip("ab", (before[k - 1].result for k in used), strict=False))
        written = expression.format(**results) if all(results.values()) else ""
        result = self.world.calculate(written) if written and "/ 0" not in written else ""
        return Piece(said, f"{', '.join(f'#{k}' for k in used)}: {said}", "math", written, result=result)

    def _quoted(self, rng: random.Random, kind: str, used: Collection[Quote | None]) -> Piece:
        """A row of a data set that is not used yet, or a text of the project's own, in some words around it."""
        phrases = _phrases()
        if kind == "quoted" and rng.random() < 0.35:
            kind, own = rng.choice((("law", "clauses"), ("medical", "passages")))
            a, b = rng.sample(phrases["words"]["company"], 2)
            text = rng.choice(phrases[own]).format(a=a, b=b, p=self.world.vocabulary.first_name(rng))
            return _asks(rng.choice(phrases[kind]).format(x=text), kind)
        subjects = self.subjects["problem" if kind == "problem" else rng.choice(_QUOTED)]
        subject = rng.choice([one for one in subjects if one.quote not in used])
        asked = rng.choice(phrases.get(subject.kind, ["{x}"])).format(x=subject.text)
        said = asked if asked[-1] in '.?!"' else f"{asked}."
        return Piece(said, said, subject.expert, subject.written, result=subject.result, quote=subject.quote)

    def _twins(self, rng: random.Random) -> list[Piece]:
        """The same question about two things: in two sentences, the second shortened, or in one."""
        thing = rng.choice(_phrases()["things"])
        shape = rng.choice(("apart", "apart", "joined", "parts", "parts", "shared", "shortened", "shortened"))
        first, second = self._name(rng, thing), self._name(rng, thing)
        while second == first:
            second = self._name(rng, thing)
        if shape == "shortened":
            return self._shortened(rng, thing)
        if shape in ("parts", "shared"):
            return _of_parts(rng, rng.choice(thing["parts"]), first, second, is_shared=shape == "shared")
        question = rng.choice(thing["one"])
        said, other = question.format(n=first), question.format(n=second)
        if shape == "apart":
            return [_of_table(said), _of_table(other)]
        start, later = said.rstrip("?."), other[0].lower() + other[1:]
        return [_of_table(f"{start}{rng.choice((' and ', ', and '))}{later}", start), _of_table("", later)]

    def _shortened(self, rng: random.Random, thing: dict[str, Any]) -> list[Piece]:
        """`How many are made by A? And how many by B?`"""
        head, tail = (part.strip() for part in rng.choice(thing["many"]).split("|"))
        first, second = rng.sample(self._values(thing), 2)
        opening = rng.choice(("How many", "And how many", "And")) if head.startswith("How") else "And those"
        said = f"{opening} {tail.format(v=second).rstrip('?.')}?"
        step = f"{head} {tail.format(v=second).rstrip('?.')}?"
        return [_of_table(f"{head} {tail.format(v=first)}"), _of_table(said, step)]

    def _of_one(self, rng: random.Random, thing: dict[str, Any], name: str) -> str:
        match rng.choice(("one", "one", "one", "part", "many")):
            case "part":
                opening = rng.choice(
                    ("What is the {}?", "Get the {}.", "I need the {}.", "Check the {}.", "Tell me the {}.")
                )
                return opening.format(rng.choice(thing["parts"]).format(n=name))
            case "many":
                return rng.choice(thing["many"]).replace("| ", "").format(v=rng.choice(self._values(thing)))
            case _:
                return rng.choice(thing["one"]).format(n=name)

    def _name(self, rng: random.Random, thing: dict[str, Any]) -> str:
        vocabulary = self.world.vocabulary
        if thing["name"] == "model":
            number = rng.choice((rng.randint(2, 99), rng.randint(1, 9) * 100))
            return f"{rng.choice(_phrases()['words']['model'])} {number}"
        return vocabulary.name_of(next(e for e in vocabulary.entities if e.name_kind == thing["name"]), rng)

    def _values(self, thing: dict[str, Any]) -> Sequence[str]:
        if thing["values"] == "maker":
            return _phrases()["words"]["maker"]
        return next(entity.texts["city"] for entity in self.world.vocabulary.entities if "city" in entity.texts)


def _of_parts(rng: random.Random, part: str, first: str, second: str, *, is_shared: bool) -> list[Piece]:
    """`the price of A and the price of B`, or `the price of A and B`, behind what asks for it."""
    head, _, tail = part.partition("{n}")
    opening = rng.choice(("What is the", "Find the", "Look up the", "I need the", "Check the", "Compare the"))
    end = "?" if opening.startswith("What") else "."
    if is_shared:
        asked = f"{opening} {head}"
        article = "the " if head.endswith("the ") else ""
        said = f"{asked}{first}{tail} and {rng.choice((article, article, 'of ' + article))}{second}{tail}{end}"
        return [_of_table(said, f"{asked}{first}{tail}"), _of_table("", f"{asked}{second}{tail}{end}")]
    later = f"the {head}{second}{tail}{end}"
    return [
        _of_table(f"{opening} {head}{first}{tail} and {later}", f"{opening} {head}{first}{tail}"),
        _of_table("", later),
    ]


def _asks(said: str, expert: str) -> Piece:
    return Piece(said, said, expert, "")


def _of_table(said: str, step: str = "") -> Piece:
    """A question for the database; its result is any number, the same for the same question."""
    asked = step or said
    return Piece(said, asked, "sql", "", result=str(random.Random(asked).randint(2, 2000)))


def _fill(rng: random.Random, frame: Sequence[str]) -> tuple[str, str]:
    """What is asked, and what computes it from the results `{a}` and `{b}`."""
    words = {kind: rng.choice(options) for kind, options in _phrases()["words"].items()}
    x = rng.choice((rng.randint(2, 20), rng.randint(2, 99), rng.randint(21, 900)))
    said, expression = frame
    return said.format(x=x, **words), expression.replace("{x}", str(x))


@cache
def _phrases() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
