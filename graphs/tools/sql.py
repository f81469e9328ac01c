"""SQL: queries on a configured database that is only read, bounded in time and size, checked against the step."""

import asyncio
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from graphs.errors import DatabaseError, ToolError
from graphs.numbers import plain, written_numbers
from graphs.protocols import Constraint, ToolResult
from graphs.tools.arithmetic import format_number
from graphs.tools.database import Database, Reading, Rows, SqliteDatabase, UnreadableError
from graphs.tools.invocation import text_arguments
from graphs.tools.schema import Link, Schema, find_links, with_names, without_links
from graphs.tools.sql_cues import Cues, with_digits
from graphs.tools.sql_grammar import query_grammar

MAX_CHARS = 4_000
ONE_ROW = "1"
_ASKED_AND_GIVEN = re.compile(r"SELECT (\S+) FROM (?!.* OR |.*\(SELECT).* WHERE (?:.* AND )?\1 = '")
_LITERAL = re.compile(r"'((?:[^']|'')*)'")
_COMPARED = re.compile(r"""("[^"]+"|\w+) (?:=|<>|!=|LIKE|IN \() ?'((?:[^']|'')*)'""", re.IGNORECASE)
"""A column, and the text that it is compared with."""

Row = list[object]
Result = TypeVar("Result")


class SqlTool:
    """Queries one database. Opened for each call, so a changed database is seen as it is."""

    description = "asks a database with one SELECT query"
    has_effects = False
    version = None
    arguments = text_arguments("query", "one SELECT query")

    def __init__(
        self,
        database: Path | Database,
        *,
        setting: str = "the database setting",
        name: str = "sql",
        max_rows: int = 200,
        max_seconds: float = 2.0,
    ) -> None:
        """A path is a SQLite file. Raises DatabaseError, naming `setting`, if it is unreadable or has no tables."""
        self.name = name
        self.max_seconds = 2 * max_seconds + 5  # to read the schema, to ask, to connect
        self._database = SqliteDatabase(database) if isinstance(database, Path) else database
        self._max_rows = max_rows
        self._max_seconds = max_seconds
        shown = self._database.path if isinstance(self._database, SqliteDatabase) else self._database.name
        if isinstance(shown, Path) and not shown.is_file():
            raise DatabaseError(shown, setting, "there is no such file")
        try:
            with self._database.reading(max_seconds) as reading:
                tables = reading.schema().tables
        except UnreadableError as error:
            raise DatabaseError(shown, setting, str(error)) from error
        if not tables:
            raise DatabaseError(shown, setting, "it has no tables")

    def recognises(self, text: str) -> bool | None:
        """Whether the text names a value of the database and a table or column, or two of those; None for one name."""
        try:
            schema, links = self._read(lambda reading: _linked(reading, text))
        except ToolError:  # whoever is asked to use it will say so
            return None
        words = {word.removesuffix("s") for word in re.findall(r"\w+", text.casefold())}
        num_names = len(words & {name.removesuffix("s") for name in schema.names})
        return {0: False, 1: None}.get(num_names + bool(links), True)

    def context(self, step: str) -> str:
        """The tables and their columns."""
        return self._read(lambda reading: str(reading.schema()))

    def constraint(self, step: str) -> Constraint:
        """A Lark grammar of queries over this database with the values and numbers of this step.

        An expert may have learnt other forms, which count if they find something and leave nothing in doubt.
        """

        def grammar(reading: Reading) -> str:
            schema, links = _linked(reading, step)
            return query_grammar(schema, links, step)

        return Constraint("lark", self._read(grammar), is_tried_without=True)

    def rows(self, query: str) -> list[Row]:
        """The rows of a SELECT query, at most one more than `max_rows`. Raises ToolError."""
        return self._query(query)[1]

    async def run(self, call: str, step: str) -> ToolResult:
        """The rows as text: a value, a comma-separated column, or a table. Raises ToolError."""
        return await asyncio.to_thread(self._run, call, step)

    async def call(self, arguments: Mapping[str, Any]) -> ToolResult:
        """As `run` does, without a step to check the query against. Raises ToolError."""
        return await asyncio.to_thread(self._result, str(arguments["query"]))

    def _run(self, call: str, step: str) -> ToolResult:
        found = self._result(call)
        schema, links = self._read(lambda reading: _linked(reading, step))
        doubts = tuple(Cues.read(without_links(step, links), schema).doubts(call, schema))
        return replace(found, warnings=(*found.warnings, *_not_used(call, step, schema, links)), doubts=doubts)

    def _result(self, query: str) -> ToolResult:
        columns, rows = self._query(query)
        if not rows:
            raise self._error(f"no row matches {query!r}", is_doubt=True)
        is_cut = len(rows) > self._max_rows
        rows = rows[: self._max_rows]
        text = _as_text(columns, rows)
        if len(text) > MAX_CHARS:
            raise self._error(f"the result has {len(text)} characters; {MAX_CHARS} are allowed")
        warnings = [f"only the first {self._max_rows} rows are shown"] if is_cut else []
        if any(value is None for row in rows for value in row):
            warnings.append("a value is missing (NULL)")
        return ToolResult(text, {"columns": columns, "rows": rows}, tuple(warnings))

    def _query(self, query: str) -> Rows:
        if not query.upper().startswith("SELECT "):
            raise self._error(f"{query!r} is no SELECT query")
        return self._read(lambda reading: reading.query(reading.schema(), query, self._max_rows + 1))

    def _read(self, use: Callable[[Reading], Result]) -> Result:
        """Use a connection of its own, for at most max_seconds."""
        try:
            with self._database.reading(self._max_seconds) as reading:
                return use(reading)
        except UnreadableError as error:
            raise self._error(str(error)) from error

    def _error(self, reason: str, *, is_doubt: bool = False) -> ToolError:
        remedy = f"ask for what the tables of {self._database.name!r} hold"
        return ToolError(self.name, reason, remedy, is_doubt=is_doubt)


def _linked(reading: Reading, step: str) -> tuple[Schema, tuple[Link, ...]]:
    schema = with_names(reading.schema(), reading.is_unique)
    return schema, find_links(reading.values, reading.is_unique, schema, step)


def _as_text(columns: Sequence[str], rows: Sequence[Row]) -> str:
    if len(columns) == 1:
        return ", ".join(_value_text(row[0]) for row in rows)
    return "\n".join([" | ".join(columns), *(" | ".join(_value_text(value) for value in row) for row in rows)])


def _value_text(value: object) -> str:
    match value:
        case None:
            return "NULL"
        case float() if math.isfinite(value):
            return format_number(value)
        case _:
            return str(value)


def _not_used(call: str, step: str, schema: Schema, links: Sequence[Link]) -> list[str]:
    """What the step names and the query does not, and what the query compares with that is no value."""
    written = [text.replace("''", "'") for text in _LITERAL.findall(call)]
    known = {link.value for link in links}
    numbers = written_numbers(step)
    foreign = [text for text in dict.fromkeys(written) if text not in known and not _is_date(text, numbers)]
    warnings = [f"{text!r} is no value that the step names" for text in foreign]
    warnings += _elsewhere(call, links)
    covered = [link for link in links if link.value in written]
    values = sorted((link for link in links if link.value.casefold() not in schema.names), key=_shortest_last)
    for link in values:
        if not any(other.start <= link.start and link.end <= other.end for other in covered):
            covered.append(link)
            warnings.append(f"{link.value!r} was not used")
    rest = without_links(step, covered)
    used = {plain(number) for number in written_numbers(call)}
    warnings += [f"{number} was not used" for number in written_numbers(rest) if plain(number) not in used]
    named = {plain(number) for number in written_numbers(with_digits(step))} | {ONE_ROW}
    if _ASKED_AND_GIVEN.match(call):
        warnings.append("the query asks for what it compares with")
    compared = {plain(number) for number in written_numbers(_LITERAL.sub(" ", call))}
    return [*warnings, *(f"{number} is not in the step" for number in sorted(compared - named))]


def _is_date(text: str, numbers: Sequence[str]) -> bool:
    """Whether it is how to write a date, or one or the beginning of one, with a year of the step."""
    is_written = re.fullmatch(r"\d{4}(?:-\d\d){0,2}[-%]*", text) and text[:4] in numbers
    return bool(is_written or re.fullmatch(r"(?:%[Ymd]-?)+", text))


def _elsewhere(call: str, links: Sequence[Link]) -> list[str]:
    """Values of the database that the query looks for in a column that does not have them."""
    columns: dict[str, set[str]] = {}
    for link in links:
        columns.setdefault(link.value, set()).add(link.column.casefold())
    compared = [(name.strip('"'), text.replace("''", "'")) for name, text in _COMPARED.findall(call)]
    return [
        f"{text!r} is no value of {name}"
        for name, text in dict.fromkeys(compared)
        if text in columns and name.casefold() not in columns[text]
    ]


def _shortest_last(link: Link) -> int:
    return link.start - link.end
