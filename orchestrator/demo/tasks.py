"""The demo's tasks, and what their answers must say, computed without the service."""

import random
from dataclasses import dataclass
from pathlib import Path

from orchestrator.demo.database import names, query_one
from orchestrator.expected_answer import contains_all

_COMPANIES = ("Brightwater Ltd", "Kestrel Works", "Hollis and Co", "Lumen Supply", "Pineapple Press", "Orchard Labs")
_PEOPLE = ("Mina", "Tobias", "Salma", "Ravi", "Ingrid", "Kofi", "Lucia")

CLAUSES = (
    # a clause of the demo's own | its type
    (
        "{a} may not assign or transfer this agreement to anybody without the prior written consent of {b}.",
        "Anti-Assignment",
    ),
    (
        "{a} shall keep general liability insurance with a reputable insurer and name {b} as additional insured.",
        "Insurance",
    ),
    (
        "{a} hereby grants {b} a non-exclusive, royalty-free license to use the software and the trademarks.",
        "License Grant",
    ),
)
PASSAGES = (
    # a passage of the demo's own | what it describes
    (
        "The condition runs in families in an autosomal recessive pattern: both parents of {p} carry "
        "one changed copy of the gene.",
        "inheritance",
    ),
    ("The symptoms that {p} noticed first were a fever, a dry cough, a sore throat and aching joints.", "symptoms"),
)


@dataclass(frozen=True, slots=True)
class DemoTask:
    """A task and the strings that a right answer contains."""

    title: str
    task: str
    expected: tuple[str, ...]

    def is_answered_by(self, answer: str) -> bool:
        """Every expected string occurs as a whole, and nothing is marked as doubtful or missing."""
        is_sure = "unverified" not in answer.lower() and "not answered" not in answer.lower()
        return is_sure and contains_all(answer, self.expected)


@dataclass(frozen=True, slots=True)
class Draw:
    """The names and numbers of one run."""

    models: tuple[str, str]
    brands: tuple[str, str]
    prices: tuple[int, int]
    stocks: tuple[int, int]
    counts: tuple[int, int]
    clause: str
    clause_type: str
    passage: str
    passage_topic: str
    amount: int
    number: int
    factor: int

    @classmethod
    def make(cls, database: Path, rng: random.Random) -> "Draw":
        """Names from the database, numbers at random; the first model has more in stock than the second."""
        models = rng.sample(names(database, "model"), 6)
        models.sort(key=lambda model: -query_one(database, "SELECT stock FROM bikes WHERE model = ?", model))
        chosen, brands = (models[0], models[-1]), tuple(rng.sample(names(database, "brand"), 2))
        clause, clause_type = rng.choice(CLAUSES)
        passage, topic = rng.choice(PASSAGES)
        a, b = rng.sample(_COMPANIES, 2)
        return cls(
            models=chosen,
            brands=(brands[0], brands[1]),
            prices=_both(database, "SELECT price FROM bikes WHERE model = ?", chosen),
            stocks=_both(database, "SELECT stock FROM bikes WHERE model = ?", chosen),
            counts=_both(database, "SELECT COUNT(*) FROM bikes WHERE brand = ?", (brands[0], brands[1])),
            clause=clause.format(a=a, b=b),
            clause_type=clause_type,
            passage=passage.format(p=rng.choice(_PEOPLE)),
            passage_topic=topic,
            amount=rng.randint(110, 990),
            number=rng.randint(3, 29),
            factor=rng.randint(3, 40),
        )


def _both(database: Path, sql: str, values: tuple[str, str]) -> tuple[int, int]:
    return query_one(database, sql, values[0]), query_one(database, sql, values[1])


def draw_tasks(database: Path, rng: random.Random) -> tuple[DemoTask, ...]:
    """The three tasks of one run."""
    draw = Draw.make(database, rng)
    first, second = draw.models
    shop = f"What is the price of the {first}? What is the price of the {second}? Add both prices."
    contract = (
        f"A workshop pays {draw.amount} dollars of rent a month. How much rent does it pay in {draw.number} months? "
        f"Say what sort of clause a lawyer would call this: {draw.clause}"
    )
    clinic = (
        f"A workshop pays {draw.amount} dollars of rent a month. How much rent does it pay in {draw.number} months? "
        f"What does this medical passage describe: {draw.passage}"
    )
    product = str(draw.amount * draw.number)
    return (
        DemoTask("A bicycle shop's database", shop, (str(sum(draw.prices)),)),
        DemoTask("A lease and its clause", contract, (product, draw.clause_type)),
        DemoTask("A rent and a leaflet", clinic, (product, draw.passage_topic)),
    )
