"""Kinds of things that tables hold; some are put together of common words, so that each is another one."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_SYLLABLES = ("b d f g k l m n p r s t v z br cl dr gr pl st tr ch".split(), "a e i o u ai ou".split())
_ENDINGS = "x nd rt sk lm ft mb".split()
_IS_INVENTED, _IS_COMPOUND = 0.08, 0.3
"""Parts of the words of a thing put together."""
_HIGHEST = (90, 400, 2_000, 9_000, 90_000)
_NAME_KINDS = ("person", "code", "title", "title", "town", "invented")


@dataclass(frozen=True, slots=True)
class Subject:
    """A kind of thing that a table holds, and what its columns may hold."""

    singular: str
    plural: str
    key: str
    name_kind: str
    texts: Mapping[str, Sequence[str]]
    numbers: Mapping[str, tuple[int, int]]
    place: str | None
    """The column of where it is: one says `in Oslo`."""
    counts: tuple[str, ...]
    """Columns that count something: one says `more than 3 rooms`."""

    @property
    def columns(self) -> tuple[str, ...]:
        """All of them, the key first."""
        return (self.key, *self.texts, *self.numbers)


def recombined(rng: random.Random, words: Mapping[str, Sequence[str]]) -> Subject:
    """A thing with columns drawn from lists of words; some words are compounds, some are in no language."""
    singular = _word(rng, words, "things")
    used = {singular}

    def column(kind: str) -> str:
        while (drawn := _word(rng, words, kind)) in used:
            pass
        used.add(drawn)
        return drawn

    texts: dict[str, Sequence[str]] = {
        column("text_columns"): _values(rng, words) for _ in range(rng.choice((2, 2, 3)))
    }
    place = column("place_columns") if rng.random() < 0.6 else None
    if place:
        texts[place] = words[rng.choice(("towns", "towns", "countries"))]
    amounts = [column("amount_columns") for _ in range(rng.choice((1, 2, 2, 3)))]
    counts = [column("count_columns") for _ in range(rng.choice((1, 1, 2)))]
    numbers = {name: (2, rng.choice(_HIGHEST)) for name in (*amounts, *counts)}
    # what a table's things are called by has any name: it is known by its place, first or last
    key = f"{singular}_name" if rng.random() < 0.1 else column(rng.choice(("keys", "things", "things", "text_columns")))
    return Subject(singular, _many(singular), key, rng.choice(_NAME_KINDS), texts, numbers, place, tuple(counts))


def invented(rng: random.Random, *, is_name: bool = False) -> str:
    """A word that is in no language: of two syllables or more, with an ending that few words have."""
    beginnings, vowels = _SYLLABLES
    parts = [rng.choice(beginnings) + rng.choice(vowels) for _ in range(rng.choice((2, 2, 3)))]
    made = "".join(parts) + rng.choice(_ENDINGS)
    return made.capitalize() if is_name else made


def _word(rng: random.Random, words: Mapping[str, Sequence[str]], kind: str) -> str:
    """One of a kind; a compound ends with it, so that a plural stays one."""
    if rng.random() < _IS_INVENTED and kind != "count_columns":
        return invented(rng)
    word = rng.choice(words[kind])
    is_compound = "_" not in word and rng.random() < _IS_COMPOUND
    return f"{rng.choice(words[rng.choice(('qualities', 'things'))])}_{word}" if is_compound else word


def _values(rng: random.Random, words: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """What a text column holds: people's names, places, a few common words or pairs of them, invented names."""
    match rng.choice(("last_names", "countries", "words", "words", "words", "pairs", "invented")):
        case "words":
            return rng.sample(words["values"], rng.randint(3, 6))
        case "pairs":
            return [" ".join(rng.sample(words["values"], 2)) for _ in range(4)]
        case "invented":
            return [invented(rng, is_name=True) for _ in range(4)]
        case known:
            return words[known]


def _many(singular: str) -> str:
    if singular[-1] == "y" and singular[-2] not in "aeou":
        return f"{singular[:-1]}ies"
    return f"{singular}{'es' if singular[-1] in 'sx' or singular[-2:] in ('ch', 'sh') else 's'}"
