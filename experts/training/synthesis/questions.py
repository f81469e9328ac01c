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

from experts.training.synthesis.things import Subject, invented, recombined

Value = str | int
_SOME_COLUMNS = 0.75
_ASKING = frozenset(("What", "Which", "How", "Who", "Whose", "Where", "For", "Could", "Can", "Do"))
_OTHER_TABLES = (0, 0, 1, 1, 2)


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
        """A thing whose name and columns are put together: such a table has to be read, not remembered."""
        return recombined(rng, self.words)

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
        form = self._worded(rng, form)
        places = self._filled(rng, form, table)
        query = form.query.format_map(places)
        text = re.sub(r"\b([Aa]) (?=[aeio])", r"\1n ", form.asked.format_map(places))
        return Question(_sentence(text), _shown(rng, table, others, query), query)

    def _worded(self, rng: random.Random, form: Form) -> Form:
        """With phrases that have places of their own written out."""

        def written(match: re.Match[str]) -> str:
            options = list(self.phrases.get(match[1], ()))
            return rng.choice(options) if any("{" in option for option in options) else match[0]

        return Form(form.query, re.sub(r"\{(\w+)\}", written, form.asked))

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
