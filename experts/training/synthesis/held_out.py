"""`synthetic_sql`: questions that no expert is trained on, and the database that their queries are executed on."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

from experts.prompt import PromptParts
from experts.training.rows import TrainingRow
from experts.training.synthesis.questions import Questions, Table

NUM_ROWS = 60
"""Of a table: enough that a wrong query seldom finds what the right one does."""


def held_out_rows(count: int, seed: int = 0) -> list[TrainingRow]:
    """Questions in the layout of the service, each over one to three of the tables, no two alike."""
    rng, questions = random.Random(f"rows-{seed}"), Questions.load("held_out")
    tables = _tables(questions, seed)
    rows: dict[str, TrainingRow] = {}
    while len(rows) < count:
        one = questions.ask(rng, rng.choice(tables), tables)
        parts = PromptParts(one.text, context=one.tables)
        rows.setdefault(one.text, TrainingRow(f"synthetic_sql-{len(rows) + 1}", parts, (one.query,), one.query))
    return list(rows.values())


def write_database(path: Path, seed: int = 0) -> None:
    """Write all tables with their rows to a new SQLite file."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for table in _tables(Questions.load("held_out"), seed):
            subject = table.subject
            columns = [f"{subject.key} TEXT", *(f"{c} TEXT" for c in subject.texts)]
            columns += [f"{c} INTEGER" for c in subject.numbers]
            connection.execute(
                f"CREATE TABLE {table.name} ({table.identifier} INTEGER PRIMARY KEY, {', '.join(columns)})"
            )
            marks = ", ".join("?" * (len(columns) + 1))
            rows = [(number, *row.values()) for number, row in enumerate(table.rows, 1)]
            connection.executemany(f"INSERT INTO {table.name} VALUES ({marks})", rows)


def _tables(questions: Questions, seed: int) -> list[Table]:
    rng = random.Random(f"tables-{seed}")
    return [questions.table(rng, subject, NUM_ROWS) for subject in questions.subjects]
