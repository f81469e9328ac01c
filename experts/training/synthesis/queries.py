"""Questions over invented tables with the query that answers them."""

import random
from dataclasses import dataclass, replace

from experts.training.synthesis.vocabulary import Entity, Vocabulary


@dataclass(frozen=True, slots=True)
class Query:
    """A question as a task says it and as a plan's step does, its tables as the SQL tool writes them, the query.

    The result is only plausible: no such table exists.
    """

    said: str
    question: str
    tables: str
    sql: str
    result: str


_LOOKUP = (
    "What is the {c} of {n}?",
    "Find the {c} of {n}.",
    "What is the {c} of the {n}?",
    "Find the {c} of the {n}.",
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
_WISHES = ("I need {x}.", "I want to know {x}.", "Tell me {x}.", "Show me {x}.", "Can you get {x}?", "We need {x}.")
_PAIRS = (
    "What are {a} and {b}?",
    "I need {a} and {b}.",
    "Take {a} and {b}.",
    "Tell me {a} and {b}.",
    "Find {a} and {b}.",
    "Look at {a} and at {b}.",
    "Get {a} as well as {b}.",
)
_SHARED = ("What are the {c}", "Find the {c}", "Look up the {c}", "Tell me the {c}", "Get the {c}")


def draw_query(rng: random.Random, vocabulary: Vocabulary, *, number: bool = False) -> Query:
    """One question. With `number`, one whose result is a number."""
    entity = rng.choice(vocabulary.entities)
    kinds = (
        (_lookup, _lookup, _lookup, _count, _count, _total, _whole, _compare)
        if number
        else (_lookup_text, _best, _reverse)
    )
    question, sql = rng.choice(kinds)(entity, vocabulary, rng)
    question = _wished(question, rng)
    result = str(rng.randint(2, 900)) if number else vocabulary.name_of(entity, rng)
    return Query(question, question, _tables(entity, vocabulary, rng), sql, result)


def draw_pair(rng: random.Random, vocabulary: Vocabulary) -> tuple[Query, Query]:
    """Two look-ups that one sentence asks for; the second has nothing of its own to say."""
    first, second = rng.choice(vocabulary.entities), rng.choice(vocabulary.entities)
    second = rng.choice((first, second))
    columns = [rng.choice(list(entity.numbers)) for entity in (first, second)]
    names = [vocabulary.name_of(entity, rng) for entity in (first, second)]
    said, questions = _asked_together(rng, columns, names)
    made = [
        Query(
            "",
            q,
            _tables(e, vocabulary, rng),
            f"SELECT {c} FROM {e.table} WHERE {e.key} = '{n}'",
            str(rng.randint(2, 900)),
        )
        for q, e, c, n in zip(questions, (first, second), columns, names, strict=True)
    ]
    return replace(made[0], said=said), made[1]


def _asked_together(rng: random.Random, columns: list[str], names: list[str]) -> tuple[str, list[str]]:
    """One sentence, and the two questions that are in it."""
    if columns[0] == columns[1] and not columns[0].endswith("s") and rng.random() < 0.6:
        opening = rng.choice(_SHARED).format(c=_many(_words(columns[0])))
        said = f"{opening} of {names[0]} and {names[1]}{'?' if opening.startswith('What') else '.'}"
        return said, [f"{opening} of {names[0]}", f"{opening} of {names[1]}{said[-1]}"]
    asked = [f"the {_words(c)} of {n}" for c, n in zip(columns, names, strict=True)]
    said = rng.choice(_PAIRS).format(a=asked[0], b=asked[1])
    first = said[: said.index(asked[0]) + len(asked[0])]
    return said, [first, f"{asked[1]}{said[-1]}"]


def _many(word: str) -> str:
    return f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"


def draw_twins(rng: random.Random, vocabulary: Vocabulary) -> tuple[Query, Query]:
    """The same question about two things, each in a sentence of its own."""
    entity = rng.choice(vocabulary.entities)
    if rng.random() < 0.5:
        column, template = rng.choice(list(entity.numbers)), rng.choice(_LOOKUP)
        names = {vocabulary.name_of(entity, rng): None for _ in range(9)}
        values = list(names)[:2]
        questions = [template.format(c=_words(column), n=value, s=entity.singular) for value in values]
        queries = [f"SELECT {column} FROM {entity.table} WHERE {entity.key} = '{value}'" for value in values]
    else:
        column, template = rng.choice(list(entity.texts)), rng.choice(_COUNT)
        values = rng.sample(entity.texts[column], 2)
        questions = [template.format(p=entity.plural, c=_words(column), v=value) for value in values]
        queries = [f"SELECT COUNT(*) FROM {entity.table} WHERE {column} = '{value}'" for value in values]
    tables, results = _tables(entity, vocabulary, rng), [str(rng.randint(2, 900)) for _ in range(2)]
    first, second = (Query(q, q, tables, s, r) for q, s, r in zip(questions, queries, results, strict=True))
    return first, second


def _wished(question: str, rng: random.Random) -> str:
    """Sometimes one wishes for something instead of asking."""
    if not question.startswith("Find the ") or rng.random() < 0.4:
        return question
    return rng.choice(_WISHES).format(x=question.removeprefix("Find ").rstrip("."))


def _words(column: str) -> str:
    return column.replace("_", " ")


def _tables(entity: Entity, vocabulary: Vocabulary, rng: random.Random) -> str:
    others = [other for other in vocabulary.entities if other.table != entity.table]
    shown = [entity, *rng.sample(others, rng.choice((0, 1, 1, 2)))]
    rng.shuffle(shown)
    return "Tables: " + "; ".join(_columns(one, rng) for one in shown)


def _columns(entity: Entity, rng: random.Random) -> str:
    columns = [*entity.texts, *entity.numbers]
    rng.shuffle(columns)
    identifier = [f"{entity.singular}_id"] if rng.random() < 0.4 else []
    return f"{entity.table}({', '.join(dict.fromkeys([*identifier, entity.key, *columns]))})"


def _lookup(entity: Entity, vocabulary: Vocabulary, rng: random.Random) -> tuple[str, str]:
    column, name = rng.choice(list(entity.numbers)), vocabulary.name_of(entity, rng)
    question = rng.choice(_LOOKUP).format(c=_words(column), n=name, s=entity.singular)
    return question, f"SELECT {column} FROM {entity.table} WHERE {entity.key} = '{name}'"


def _lookup_text(entity: Entity, vocabulary: Vocabulary, rng: random.Random) -> tuple[str, str]:
    column, name = rng.choice(list(entity.texts)), vocabulary.name_of(entity, rng)
    question = rng.choice(_LOOKUP[:-1]).format(c=_words(column), n=name, s=entity.singular)
    return question, f"SELECT {column} FROM {entity.table} WHERE {entity.key} = '{name}'"


def _count(entity: Entity, _: Vocabulary, rng: random.Random) -> tuple[str, str]:
    column = rng.choice(list(entity.texts))
    value = rng.choice(entity.texts[column])
    question = rng.choice(_COUNT).format(p=entity.plural, c=_words(column), v=value)
    return question, f"SELECT COUNT(*) FROM {entity.table} WHERE {column} = '{value}'"


def _total(entity: Entity, _: Vocabulary, rng: random.Random) -> tuple[str, str]:
    column, text = rng.choice(list(entity.numbers)), rng.choice(list(entity.texts))
    value = rng.choice(entity.texts[text])
    question = rng.choice(_TOTAL).format(p=entity.plural, c=_words(column), t=_words(text), v=value)
    return question, f"SELECT SUM({column}) FROM {entity.table} WHERE {text} = '{value}'"


def _whole(entity: Entity, _: Vocabulary, rng: random.Random) -> tuple[str, str]:
    column, (question, function) = rng.choice(list(entity.numbers)), rng.choice(_ALL)
    filled = question.format(p=entity.plural, s=entity.singular, c=_words(column))
    return filled, f"SELECT {function.format(k=column)} FROM {entity.table}"


def _best(entity: Entity, _: Vocabulary, rng: random.Random) -> tuple[str, str]:
    column, (question, order) = rng.choice(list(entity.numbers)), rng.choice(_BEST)
    filled = question.format(s=entity.singular, c=_words(column))
    return filled, f"SELECT {entity.key} FROM {entity.table} ORDER BY {column} {order} LIMIT 1"


def _compare(entity: Entity, _: Vocabulary, rng: random.Random) -> tuple[str, str]:
    column, (question, sign) = rng.choice(list(entity.numbers)), rng.choice(_COMPARE)
    bound = rng.randint(*entity.numbers[column])
    filled = question.format(p=entity.plural, c=_words(column), x=bound)
    return filled, f"SELECT COUNT(*) FROM {entity.table} WHERE {column} {sign} {bound}"


def _reverse(entity: Entity, _: Vocabulary, rng: random.Random) -> tuple[str, str]:
    column = rng.choice(list(entity.texts))
    value = rng.choice(entity.texts[column])
    question = rng.choice(_REVERSE).format(s=entity.singular, p=entity.plural, c=_words(column), v=value)
    return question, f"SELECT {entity.key} FROM {entity.table} WHERE {column} = '{value}'"
