"""SQL: read-only queries on a configured SQLite database, bounded in time and size, checked against the step."""

import asyncio
import math
import re
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from graphs.errors import DatabaseError, ToolError
from graphs.numbers import plain, written_numbers
from graphs.protocols import Constraint, ToolResult
from graphs.tools.arithmetic import format_number
from graphs.tools.schema import Link, Schema, find_links, read_schema
from graphs.tools.sql_grammar import query_grammar, without_links

SAFE_FUNCTIONS = frozenset(
    {"abs", "avg", "coalesce", "count", "date", "ifnull", "instr", "julianday", "length", "like", "lower", "ltrim"}
    | {"max", "min", "nullif", "round", "rtrim", "strftime", "substr", "substring", "sum", "total", "trim", "upper"}
)
MAX_CHARS = 4_000
MAX_VALUE_BYTES = 100_000
ONE_ROW = "1"
_OPERATIONS_PER_CHECK = 10_000
_LITERAL = re.compile(r"'((?:[^']|'')*)'")

Row = list[object]
Result = TypeVar("Result")


class SqlTool:
    """Queries one database. Opened read-only for each call, so a changed database is seen as it is."""

    name = "sql"

    def __init__(
        self, database: Path, *, setting: str = "the database setting", max_rows: int = 200, max_seconds: float = 2.0
    ) -> None:
        """Raises DatabaseError, naming `setting`, if the file is missing, unreadable, no database, or has no tables."""
        self._database = database
        self._max_rows = max_rows
        self._max_seconds = max_seconds
        if not database.is_file():
            raise DatabaseError(database, setting, "there is no such file")
        try:
            with closing(self._open()) as connection:
                tables = read_schema(connection).tables
        except sqlite3.Error as error:
            raise DatabaseError(database, setting, str(error)) from error
        if not tables:
            raise DatabaseError(database, setting, "it has no tables")

    def recognises(self, text: str) -> bool | None:
        """Whether the text names a value of the database and a table or column, or two of those; None for one name."""
        try:
            schema, links = self._read(lambda connection: _linked(connection, text))
        except ToolError:  # whoever is asked to use it will say so
            return None
        words = {word.removesuffix("s") for word in re.findall(r"\w+", text.casefold())}
        num_names = len(words & {name.removesuffix("s") for name in schema.names})
        return {0: False, 1: None}.get(num_names + bool(links), True)

    def context(self, step: str) -> str:
        """The tables and their columns."""
        return self._read(lambda connection: str(read_schema(connection)))

    def constraint(self, step: str) -> Constraint:
        """A Lark grammar of queries over this database with the values and numbers of this step."""

        def grammar(connection: sqlite3.Connection) -> str:
            schema = read_schema(connection)
            return query_grammar(schema, find_links(connection, schema, step), step)

        return Constraint("lark", self._read(grammar))

    def rows(self, query: str) -> list[Row]:
        """The rows of a SELECT query, at most one more than `max_rows`. Raises ToolError."""
        if not query.upper().startswith("SELECT "):
            raise self._error(f"{query!r} is no SELECT query")
        return self._read(lambda connection: self._query(connection, read_schema(connection), query))[1]

    async def run(self, call: str, step: str) -> ToolResult:
        """The rows as text: a value, a comma-separated column, or a table. Raises ToolError."""
        return await asyncio.to_thread(self._run, call, step)

    def _run(self, call: str, step: str) -> ToolResult:
        if not call.upper().startswith("SELECT "):
            raise self._error(f"{call!r} is no SELECT query")
        schema, links = self._read(lambda connection: _linked(connection, step))
        columns, rows = self._read(lambda connection: self._query(connection, schema, call))
        if not rows:
            raise self._error(f"no row matches {call!r}")
        is_cut = len(rows) > self._max_rows
        rows = rows[: self._max_rows]
        text = _as_text(columns, rows)
        if len(text) > MAX_CHARS:
            raise self._error(f"the result has {len(text)} characters; {MAX_CHARS} are allowed")
        warnings = [f"only the first {self._max_rows} rows are shown"] if is_cut else []
        if any(value is None for row in rows for value in row):
            warnings.append("a value is missing (NULL)")
        warnings += _not_used(call, step, schema, links)
        return ToolResult(text, {"columns": columns, "rows": rows}, tuple(warnings))

    def _query(self, connection: sqlite3.Connection, schema: Schema, call: str) -> tuple[list[str], list[Row]]:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)
        connection.set_authorizer(_authorizer(schema))
        cursor = connection.execute(call)
        rows = [[_plain_value(value) for value in row] for row in cursor.fetchmany(self._max_rows + 1)]
        return [column[0] for column in cursor.description or ()], rows

    def _read(self, use: Callable[[sqlite3.Connection], Result]) -> Result:
        """Use a connection of its own, for at most max_seconds."""
        deadline = time.monotonic() + self._max_seconds
        try:
            with closing(self._open()) as connection:
                connection.set_progress_handler(lambda: time.monotonic() > deadline, _OPERATIONS_PER_CHECK)
                return use(connection)
        except (sqlite3.Error, sqlite3.Warning) as error:
            is_late = time.monotonic() > deadline
            reason = f"the query took longer than {self._max_seconds} s" if is_late else str(error)
            raise self._error(reason) from error

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(f"{self._database.resolve().as_uri()}?mode=ro", uri=True)

    def _error(self, reason: str) -> ToolError:
        return ToolError(self.name, reason, f"ask for what the tables of {self._database.name!r} hold")


def _authorizer(schema: Schema) -> Callable[[int, str | None, str | None, str | None, str | None], int]:
    """Allows reads of the schema's tables and harmless functions; everything else is denied."""
    tables = {table.name.lower() for table in schema.tables}

    def authorize(
        action: int, first: str | None, second: str | None, _database: str | None, _source: str | None
    ) -> int:
        match action:
            case sqlite3.SQLITE_SELECT:
                return sqlite3.SQLITE_OK
            case sqlite3.SQLITE_READ if (first or "").lower() in tables:
                return sqlite3.SQLITE_OK
            case sqlite3.SQLITE_FUNCTION if (second or "").lower() in SAFE_FUNCTIONS:
                return sqlite3.SQLITE_OK
            case _:
                return sqlite3.SQLITE_DENY

    return authorize


def _linked(connection: sqlite3.Connection, step: str) -> tuple[Schema, tuple[Link, ...]]:
    schema = read_schema(connection)
    return schema, find_links(connection, schema, step)


def _as_text(columns: Sequence[str], rows: Sequence[Row]) -> str:
    if len(columns) == 1:
        return ", ".join(_value_text(row[0]) for row in rows)
    return "\n".join([" | ".join(columns), *(" | ".join(_value_text(value) for value in row) for row in rows)])


def _plain_value(value: object) -> object:
    return f"({len(value)} bytes)" if isinstance(value, bytes) else value


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
    warnings = [f"{text!r} is no value that the step names" for text in dict.fromkeys(written) if text not in known]
    covered = [link for link in links if link.value in written]
    values = sorted((link for link in links if link.value.casefold() not in schema.names), key=_shortest_last)
    for link in values:
        if not any(other.start <= link.start and link.end <= other.end for other in covered):
            covered.append(link)
            warnings.append(f"{link.value!r} was not used")
    rest = without_links(step, covered)
    used = {plain(number) for number in written_numbers(call)}
    warnings += [f"{number} was not used" for number in written_numbers(rest) if plain(number) not in used]
    named = {plain(number) for number in written_numbers(step)} | {ONE_ROW}
    compared = {plain(number) for number in written_numbers(_LITERAL.sub(" ", call))}
    return [*warnings, *(f"{number} is not in the step" for number in sorted(compared - named))]


def _shortest_last(link: Link) -> int:
    return link.start - link.end
