"""How a set's database is queried when experts are scored: the service's own step and tool, one question at a time."""

import asyncio
import re
from collections.abc import AsyncGenerator, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from experts.training.datasets import Dataset
from experts.training.evaluation import Querying, Scored
from experts.training.rows import TrainingRow
from graphs.benchmark.simulated_experts import NoSink
from graphs.errors import ToolError
from graphs.plan import Plan, Step
from graphs.protocols import GREEDY, Constraint, ExpertProfile, Generated, Prompt, Sampling
from graphs.step_runner import StepRunner
from graphs.tools.database import Database, Reading, Rows, SqliteDatabase
from graphs.tools.schema import Column, Schema, Table
from graphs.tools.sql import SqlTool
from orchestrator.expert_client import generated, params_of, parts_of

_MAX_ROWS = 10_000
_MAX_TOKENS = 128
_TABLE = re.compile(r"(\w+)\(([^)]*)\)")


def querying(of: Dataset, data: Path) -> Querying | None:
    """Of the set's database; None if it has none. Raises DatabaseError if that cannot be read."""
    if of.database is None:
        return None
    database = SqliteDatabase(data / of.name / of.database)
    tool = SqlTool(database, setting="the data set", max_rows=_MAX_ROWS)

    def execute(query: str) -> Sequence[Sequence[object]]:
        try:
            return tool.rows(query)
        except ToolError as error:
            raise ValueError(str(error)) from error

    def ask(scored: Scored, row: TrainingRow) -> str:
        return asyncio.run(_asked(scored, row, SqlTool(_Shown(database, row.parts.context))))

    return Querying(execute, ask)


async def _asked(scored: Scored, row: TrainingRow, tool: SqlTool) -> str:
    """The query that a run of this one step ends with; nothing if it has none."""
    profile = ExpertProfile("scored", "", "", "", tool.name, _MAX_TOKENS)
    step = Step(id=1, text=row.parts.step or row.parts.task, expert=profile.name)
    client = _Client(profile, scored)
    runner = StepRunner(row.parts.task, Plan(steps=(step,)), client, {tool.name: tool}, NoSink())
    return (await runner.run(step, {})).call or ""


@dataclass(frozen=True, slots=True)
class _Client:
    """The expert that is scored, as the only one of an ExpertClient."""

    profile: ExpertProfile
    scored: Scored

    def profiles(self) -> Sequence[ExpertProfile]:
        return [self.profile]

    async def generate(
        self,
        expert: str,
        prompt: Prompt,
        *,
        max_tokens: int,
        constraint: Constraint | None = None,
        sampling: Sampling = GREEDY,
    ) -> AsyncGenerator[Generated]:
        for event in self.scored.write(parts_of(prompt), params_of(max_tokens, constraint, sampling)):
            yield generated(event)

    async def score(self, expert: str, prompt: Prompt, candidates: Sequence[str]) -> list[float]:
        return self.scored.score(parts_of(prompt), candidates)


@dataclass(frozen=True, slots=True)
class _Shown:
    """A database that has only the tables and columns of a prompt's context, in their order; without one, all."""

    database: Database
    context: str

    @property
    def name(self) -> str:
        return self.database.name

    @contextmanager
    def reading(self, max_seconds: float) -> Generator[Reading]:
        with self.database.reading(max_seconds) as reading:
            yield _ShownReading(reading, self.context)


@dataclass(frozen=True, slots=True)
class _ShownReading:
    reading: Reading
    context: str

    def schema(self) -> Schema:
        schema = self.reading.schema()
        known = {table.name: table for table in schema.tables}
        shown = tuple(
            _with_columns(known[name], columns.split(", "))
            for name, columns in _TABLE.findall(self.context)
            if name in known
        )
        names = {(table.name, column.name) for table in shown for column in table.columns}
        keys = (
            key for key in schema.foreign_keys if {(key.table, key.column), (key.target, key.target_column)} <= names
        )
        return Schema(shown, tuple(keys)) if shown else schema

    def values(self, table: Table, column: Column) -> Iterable[str]:
        return self.reading.values(table, column)

    def is_unique(self, table: Table, column: Column) -> bool:
        return self.reading.is_unique(table, column)

    def query(self, schema: Schema, query: str, max_rows: int) -> Rows:
        return self.reading.query(schema, query, max_rows)


def _with_columns(table: Table, names: Sequence[str]) -> Table:
    known = {column.name: column for column in table.columns}
    return Table(table.name, table.sql, tuple(known[name] for name in names if name in known))
