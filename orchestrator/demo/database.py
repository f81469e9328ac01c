"""The sample database: a bicycle shop with rows drawn anew."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

BRANDS = ("Velora", "Nordrad", "Tornado", "Pedalia", "Cirrus", "Montano", "Alpina", "Brisa")
_MODELS = (
    "Comet Aurora Ridge Stream Pioneer Canyon Breeze Raptor Nomad "
    "Swift Cobalt Zephyr Bolt Drift Glacier Ember Orbit Quest"
).split()
_SCHEMA = """
CREATE TABLE bikes (model TEXT PRIMARY KEY, brand TEXT NOT NULL, price INTEGER NOT NULL, stock INTEGER NOT NULL);
CREATE TABLE repairs (ticket TEXT PRIMARY KEY, customer TEXT NOT NULL, status TEXT NOT NULL, hours INTEGER NOT NULL);
"""
_CUSTOMERS = ("Aylin Demir", "Bo Larsen", "Chiara Russo", "Dmitri Orlov", "Emeka Obi", "Freya Holm", "Goran Babic")


def make_database(path: Path, rng: random.Random) -> None:
    """Write the shop's database to a new file that replaces the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = path.with_suffix(".new")
    staging.unlink(missing_ok=True)
    models = [f"{name} {rng.randint(2, 9)}00" for name in rng.sample(_MODELS, 12)]
    bikes = [(model, rng.choice(BRANDS[:4]), rng.randint(180, 2900), rng.randint(3, 90)) for model in models]
    tickets = rng.sample(range(1000, 9999), 9)
    repairs = [
        (f"R{ticket}", rng.choice(_CUSTOMERS), rng.choice(("open", "done", "waiting")), rng.randint(1, 12))
        for ticket in tickets
    ]
    with closing(sqlite3.connect(staging)) as connection, connection:
        connection.executescript(_SCHEMA)
        connection.executemany("INSERT INTO bikes VALUES (?, ?, ?, ?)", bikes)
        connection.executemany("INSERT INTO repairs VALUES (?, ?, ?, ?)", repairs)
    staging.replace(path)


def query_one(path: Path, sql: str, *parameters: object) -> int:
    """One number from the database, by plain SQL: how the demo checks an answer without the service."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return int(connection.execute(sql, parameters).fetchone()[0])


def names(path: Path, column: str) -> list[str]:
    """The distinct values of a text column of `bikes`."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return [str(row[0]) for row in connection.execute(f"SELECT DISTINCT {column} FROM bikes ORDER BY 1")]
