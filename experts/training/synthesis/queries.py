"""Questions over invented tables with the query that answers them."""

import random
from dataclasses import dataclass

from experts.training.synthesis.vocabulary import ENTITIES, Entity, name_of


@dataclass(frozen=True, slots=True)
class Query:
    """A question, the tables it is asked over (as the SQL tool writes them), the query, and a plausible result."""

    question: str
    tables: str
    sql: str
    result: str
    is_number: bool


_LOOKUP = (
    "What is the {c} of {n}?",
    "Find the {c} of {n}.",
    "Look up the {c} of the {s} {n}.",
    "What {c} does {n} have?",
    "Give me the {c} of {n}.",
    "Tell me the {c} of the {s} {n}.",
    "In the database, what is the {c} of {n}?",
    "Get the {c} recorded for {n}.",
    "How much is the {c} of {n}?",
)
_COUNT = (
    "How many {p} have {c} {v}?",
    "How many {p} are there with {c} {v}?",
    "Count the {p} whose {c} is {v}.",
    "How many {p} are listed with the {c} {v}?",
    "Find the number of {p} with {c} {v}.",
    "What is the number of {p} where the {c} is {v}?",
)
_TOTAL = (
    "What is the total {c} of all {p} with {t} {v}?",
    "Sum the {c} of the {p} whose {t} is {v}.",
    "How much {c} do the {p} with {t} {v} have together?",
    "Find the total {c} of the {v} {p}.",
)
_ALL = (
    ("How many {p} are there?", "COUNT(*)"),
    ("Count all {p}.", "COUNT(*)"),
    ("How many {p} are in the database?", "COUNT(*)"),
    ("What is the average {c} of the {p}?", "AVG({k})"),
    ("What is the highest {c} of all {p}?", "MAX({k})"),
    ("What is the lowest {c} among the {p}?", "MIN({k})"),
    ("What is the total {c} of all {p}?", "SUM({k})"),
    ("Find the average {c} of all {p}.", "AVG({k})"),
    ("Find the largest {c} of any {s}.", "MAX({k})"),
    ("Add up the {c} of all {p} in the table.", "SUM({k})"),
)
_BEST = (
    ("Which {s} has the highest {c}?", "DESC"),
    ("Which {s} has the lowest {c}?", "ASC"),
    ("Find the {s} with the largest {c}.", "DESC"),
    ("Name the {s} with the smallest {c}.", "ASC"),
)
_COMPARE = (
    ("How many {p} have a {c} above {x}?", ">"),
    ("How many {p} have more than {x} {c}?", ">"),
    ("Count the {p} with a {c} below {x}.", "<"),
    ("How many {p} have less than {x} {c}?", "<"),
    ("How many {p} have a {c} of at least {x}?", ">="),
)
_REVERSE = (
    "Which {s} has {c} {v}?",
    "List the {p} with {c} {v}.",
    "Which {p} have the {c} {v}?",
    "Name all {p} whose {c} is {v}.",
)


def draw_query(rng: random.Random, *, number: bool = False) -> Query:
    """One question. With `number`, one whose result is a number."""
    entity = rng.choice(ENTITIES)
    kinds = (
        (_lookup, _lookup, _lookup, _count, _count, _total, _whole, _compare)
        if number
        else (_lookup_text, _best, _reverse)
    )
    question, sql = rng.choice(kinds)(entity, rng)
    result = str(rng.randint(2, 900)) if number else name_of(entity, rng)
    return Query(question, _tables(entity, rng), sql, result, number)


def _words(column: str) -> str:
    return column.replace("_", " ")


def _tables(entity: Entity, rng: random.Random) -> str:
    others = [other for other in ENTITIES if other.table != entity.table]
    shown = [entity, *rng.sample(others, rng.choice((0, 1, 1, 2)))]
    rng.shuffle(shown)
    return "Tables: " + "; ".join(_columns(one, rng) for one in shown)


def _columns(entity: Entity, rng: random.Random) -> str:
    columns = [*entity.texts, *entity.numbers]
    rng.shuffle(columns)
    identifier = [f"{entity.singular}_id"] if rng.random() < 0.4 else []
    return f"{entity.table}({', '.join([*identifier, entity.key, *columns])})"


def _lookup(entity: Entity, rng: random.Random) -> tuple[str, str]:
    column, name = rng.choice(list(entity.numbers)), name_of(entity, rng)
    question = rng.choice(_LOOKUP).format(c=_words(column), n=name, s=entity.singular)
    return question, f"SELECT {column} FROM {entity.table} WHERE {entity.key} = '{name}'"


def _lookup_text(entity: Entity, rng: random.Random) -> tuple[str, str]:
    column, name = rng.choice(list(entity.texts)), name_of(entity, rng)
    question = rng.choice(_LOOKUP[:-1]).format(c=_words(column), n=name, s=entity.singular)
    return question, f"SELECT {column} FROM {entity.table} WHERE {entity.key} = '{name}'"


def _count(entity: Entity, rng: random.Random) -> tuple[str, str]:
    column = rng.choice(list(entity.texts))
    value = rng.choice(entity.texts[column])
    question = rng.choice(_COUNT).format(p=entity.plural, c=_words(column), v=value)
    return question, f"SELECT COUNT(*) FROM {entity.table} WHERE {column} = '{value}'"


def _total(entity: Entity, rng: random.Random) -> tuple[str, str]:
    column, text = rng.choice(list(entity.numbers)), rng.choice(list(entity.texts))
    value = rng.choice(entity.texts[text])
    question = rng.choice(_TOTAL).format(p=entity.plural, c=_words(column), t=_words(text), v=value)
    return question, f"SELECT SUM({column}) FROM {entity.table} WHERE {text} = '{value}'"


def _whole(entity: Entity, rng: random.Random) -> tuple[str, str]:
    column, (question, function) = rng.choice(list(entity.numbers)), rng.choice(_ALL)
    filled = question.format(p=entity.plural, s=entity.singular, c=_words(column))
    return filled, f"SELECT {function.format(k=column)} FROM {entity.table}"


def _best(entity: Entity, rng: random.Random) -> tuple[str, str]:
    column, (question, order) = rng.choice(list(entity.numbers)), rng.choice(_BEST)
    filled = question.format(s=entity.singular, c=_words(column))
    return filled, f"SELECT {entity.key} FROM {entity.table} ORDER BY {column} {order} LIMIT 1"


def _compare(entity: Entity, rng: random.Random) -> tuple[str, str]:
    column, (question, sign) = rng.choice(list(entity.numbers)), rng.choice(_COMPARE)
    bound = rng.randint(*entity.numbers[column])
    filled = question.format(p=entity.plural, c=_words(column), x=bound)
    return filled, f"SELECT COUNT(*) FROM {entity.table} WHERE {column} {sign} {bound}"


def _reverse(entity: Entity, rng: random.Random) -> tuple[str, str]:
    column = rng.choice(list(entity.texts))
    value = rng.choice(entity.texts[column])
    question = rng.choice(_REVERSE).format(s=entity.singular, p=entity.plural, c=_words(column), v=value)
    return question, f"SELECT {entity.key} FROM {entity.table} WHERE {column} = '{value}'"
