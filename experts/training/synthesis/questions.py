"""Questions over invented tables with rows, each with its query: things and sentences of a TOML file, put together.

`Questions.load("questions")` is what the sql expert is trained on, `Questions.load("held_out")` what it is scored on.
"""

import random
import re
import string
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

Value = str | int
_SOME_COLUMNS = 0.75
_SYLLABLES = ("b d f g k l m n p r s t v z br cl dr gr pl st tr ch".split(), "a e i o u ai ou".split())
_ASKING = frozenset(("What", "Which", "How", "Who", "Whose", "Where", "For", "Could", "Can", "Do"))
_ENDINGS = "x nd rt sk lm ft mb".split()
_OTHER_TABLES = (0, 0, 1, 1, 2)


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


@dataclass(frozen=True, slots=True)
class Table:
    """A subject's table with its rows."""

    subject: Subject
    name: str
    rows: tuple[Mapping[str, Value], ...]

    @property
    def identifier(self) -> str:
        """The column of row numbers, which no question is about."""
        return f"{self.subject.singular}_id"


@dataclass(frozen=True, slots=True)
class Question:
    """A question, the tables as the SQL tool writes them, the query that answers it."""

    text: str
    tables: str
    query: str


@dataclass(frozen=True, slots=True)
class Form:
    """Sentences that ask for one query, with places to fill."""

    query: str
    asked: str

    @property
    def fields(self) -> frozenset[str]:
        """Names of the places in both."""
        return frozenset(name for _, name, _, _ in string.Formatter().parse(self.query + self.asked) if name)


@dataclass(frozen=True, slots=True)
class Questions:
    """All that one file's questions are made of."""

    words: Mapping[str, tuple[str, ...]]
    phrases: Mapping[str, Mapping[str, str]]
    subjects: tuple[Subject, ...]
    forms: tuple[Form, ...]

    @classmethod
    def load(cls, name: str) -> Self:
        """Those of a file of the package."""
        raw = tomllib.loads(Path(__file__).with_name(f"{name}.toml").read_text(encoding="utf-8"))
        words = {key: tuple(value.split()) for key, value in raw["words"].items()}
        subjects = tuple(_subject(one, words) for one in raw["subjects"])
        forms = tuple(Form(one["query"], line) for one in raw["forms"] for line in one["asked"].strip().splitlines())
        return cls(words, raw["phrases"], subjects, forms)

    def recombined(self, rng: random.Random) -> Subject:
        """A thing with parts of several, half of its words invented: such a table has to be read, not remembered."""

        def word(known: str) -> str:
            return known if rng.random() < 0.5 else invented(rng)

        thing, other, named = rng.sample(self.subjects, 3)
        singular, plural = (thing.singular, thing.plural) if rng.random() < 0.5 else _many(invented(rng))
        texts: dict[str, Sequence[str]] = {}
        place = None
        for known in (*rng.sample(list(thing.texts), 1), *rng.sample(list(other.texts), 2)):
            column, one = word(known), thing if known in thing.texts else other
            texts[column] = one.texts[known] if rng.random() < 0.5 else [invented(rng, is_name=True) for _ in range(4)]
            place = column if known == one.place else place
        amount = rng.choice([column for column in other.numbers if column not in other.counts])
        known_numbers = {thing.counts[0]: thing, amount: other} | dict.fromkeys(named.numbers, named)
        numbers = {word(column): (column, one) for column, one in known_numbers.items() if column not in texts}
        return Subject(
            singular,
            plural,
            word(named.key) if named.key not in {*texts, *numbers} else invented(rng),
            rng.choice((named.name_kind, "invented")),
            texts,
            {column: one.numbers[known] for column, (known, one) in numbers.items()},
            place,
            tuple(column for column, (known, one) in numbers.items() if known in one.counts),
        )

    def table(self, rng: random.Random, subject: Subject, num_rows: int) -> Table:
        """A table named in singular or plural; names, and numbers where their range is wide enough, are unique."""
        names = self._names(rng, subject, num_rows)
        columns = {subject.key: names} | {c: rng.choices(v, k=num_rows) for c, v in subject.texts.items()}
        for column, (low, high) in subject.numbers.items():
            several = range(low, high + 1)
            columns[column] = (
                rng.sample(several, num_rows) if len(several) >= num_rows else rng.choices(several, k=num_rows)
            )
        rows = tuple(dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))
        return Table(subject, rng.choice((subject.plural, subject.plural, subject.singular)), rows)

    def ask(self, rng: random.Random, table: Table, others: Sequence[Table] = ()) -> Question:
        """A question about the table; some of the others are shown beside it."""
        form = rng.choice(self.forms)
        while "PLACE" in form.fields and table.subject.place is None:
            form = rng.choice(self.forms)
        places = self._filled(rng, form, table)
        query = form.query.format_map(places)
        text = re.sub(r"\b([Aa]) (?=[aeio])", r"\1n ", form.asked.format_map(places))
        return Question(_sentence(text), _shown(rng, table, others, query), query)

    def _names(self, rng: random.Random, subject: Subject, count: int) -> list[Value]:
        names: dict[str, None] = {}
        while len(names) < count:
            names[self._name(rng, subject.name_kind)] = None
        return list(names)

    def _name(self, rng: random.Random, kind: str) -> str:
        words = self.words
        match kind:
            case "person":
                return f"{rng.choice(words['first_names'])} {rng.choice(words['last_names'])}"
            case "code":
                letters, more = words["code_letters"]
                return f"{rng.choice(letters)}{rng.choice(more)}{rng.randint(10, 999)}"
            case "invented":
                return f"{invented(rng, is_name=True)} {invented(rng, is_name=True)}"
            case "town":
                return rng.choice(words["towns"])
            case _ if rng.random() < 0.3:
                return f"{rng.choice(words['nouns'])} {rng.randint(2, 60)}"
            case _:
                return f"{rng.choice(words['adjectives'])} {rng.choice(words['nouns'])}"

    def _filled(self, rng: random.Random, form: Form, table: Table) -> dict[str, str]:
        """What stands in a form's places: columns and values of one row, so that no condition is impossible."""
        subject, row = table.subject, rng.choice(table.rows)
        text, other_text = rng.sample(list(subject.texts), 2)
        count = rng.choice(subject.counts)
        other_number = rng.choice([number for number in subject.numbers if number not in subject.counts])
        taken = {other_number, count if "z" in form.fields else ""}
        number = rng.choice([number for number in subject.numbers if number not in taken] or [other_number])
        columns = {"k": subject.key, "c": text, "d": other_text, "m": number, "o": other_number, "z": count}
        places = {letter: column.replace("_", " ") for letter, column in columns.items()}
        places |= {letter.upper(): column for letter, column in columns.items()}
        values = {"n": row[subject.key], "v": row[text], "w": row[other_text]}
        values["u"] = rng.choice([value for value in subject.texts[text] if value != row[text]])
        places |= {letter: str(value) for letter, value in values.items()}
        places |= {letter.upper(): f"'{value}'" for letter, value in values.items()}
        if subject.place:
            town = row[subject.place]
            places |= {"L": subject.place, "l": str(town), "PLACE": f"'{town}'"}
        for field in sorted(form.fields):
            if field.rstrip("2") in self.phrases:
                said, sign = rng.choice(list(self.phrases[field.rstrip("2")].items()))
                places |= {field: said, field.upper(): sign}
        bounds = {"x": ("CMP", other_number), "x2": ("CMP2", number), "y": ("NUM", count)}
        for letter, (sign, column) in bounds.items():
            if sign in places:
                places[letter] = str(_bound(rng, places[sign], int(row[column]), subject.numbers[column]))
        names = {"s": subject.singular, "p": subject.plural}
        said_names = {letter: name.replace("_", " ") for letter, name in names.items()}
        return places | said_names | {"T": table.name, "i": str(rng.randint(2, 5))}


def invented(rng: random.Random, *, is_name: bool = False) -> str:
    """A word that is in no language: of two syllables or more, with an ending that few words have."""
    beginnings, vowels = _SYLLABLES
    parts = [rng.choice(beginnings) + rng.choice(vowels) for _ in range(rng.choice((2, 2, 3)))]
    made = "".join(parts) + rng.choice(_ENDINGS)
    return made.capitalize() if is_name else made


def _many(singular: str) -> tuple[str, str]:
    return singular, f"{singular}{'es' if singular[-1] in 'sx' else 's'}"


def _sentence(text: str) -> str:
    """With a capital, and a mark at its end if it has none."""
    mark = "" if text[-1] in ".?" else "?" if text.split()[0] in _ASKING else "."
    return text[0].upper() + text[1:] + mark


def _bound(rng: random.Random, sign: str, value: int, limits: tuple[int, int]) -> int:
    """What the value is above or below, as the sign says, and few others if that can be."""
    low, high = limits
    distance = rng.randint(1, max(1, (high - low) // 4))
    match sign:
        case ">":
            return min(value - 1, max(low, value - distance))
        case "<":
            return max(value + 1, min(high, value + distance))
        case ">=":
            return max(low, value - rng.choice((0, distance)))
        case "<=":
            return min(high, value + rng.choice((0, distance)))
        case _:
            return value


def _shown(rng: random.Random, table: Table, others: Sequence[Table], query: str) -> str:
    """The table with all columns of the query and most of its others, among some of the other tables."""
    needed = set(re.findall(r"\w+", query))
    near = [one for one in others if one.subject is not table.subject]
    shown = [table, *rng.sample(near, min(len(near), rng.choice(_OTHER_TABLES)))]
    rng.shuffle(shown)
    return "Tables: " + "; ".join(_columns(rng, one, needed if one is table else set()) for one in shown)


def _columns(rng: random.Random, table: Table, needed: set[str]) -> str:
    subject = table.subject
    columns = [c for c in subject.columns[1:] if c in needed or rng.random() < _SOME_COLUMNS]
    rng.shuffle(columns)
    columns.insert(rng.choice((0, 0, 0, len(columns))), subject.key)
    if rng.random() < 0.3:
        columns.insert(0, table.identifier)
    return f"{table.name}({', '.join(columns)})"


def _subject(raw: Mapping[str, Any], words: Mapping[str, tuple[str, ...]]) -> Subject:
    singular, plural, key, name_kind = raw["things"].split()
    texts = {column: _values(value, words) for column, value in raw["texts"].items()}
    place = next((column for column in texts if column.startswith("in ")), None)
    counts = tuple(column.removeprefix("many ") for column in raw["numbers"] if column.startswith("many "))
    return Subject(
        singular,
        plural,
        key,
        name_kind,
        {column.removeprefix("in "): values for column, values in texts.items()},
        {column.removeprefix("many "): (low, high) for column, (low, high) in raw["numbers"].items()},
        place and place.removeprefix("in "),
        counts,
    )


def _values(value: str | list[str], words: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(value) if isinstance(value, list) else words.get(value) or tuple(value.split())
