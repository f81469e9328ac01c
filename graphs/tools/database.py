"""Databases that can only be read, through SQLAlchemy: SQLite by its connection, PostgreSQL by its transactions."""

import sqlite3
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol, cast

from sqlalchemy import Connection, Engine, NullPool, create_engine, inspect
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.types import Integer, Numeric

from graphs.errors import DatabaseError
from graphs.tools.schema import (
    MAX_VALUE_CHARS,
    MAX_VALUES,
    Column,
    ForeignKey,
    Schema,
    Table,
    is_unique_in,
    read_schema,
    unique_query,
    values_of,
)

SAFE_FUNCTIONS = frozenset(
    {"abs", "avg", "coalesce", "count", "date", "ifnull", "instr", "julianday", "length", "like", "lower", "ltrim"}
    | {"max", "min", "nullif", "round", "rtrim", "strftime", "substr", "substring", "sum", "total", "trim", "upper"}
)
MAX_VALUE_BYTES = 100_000
_OPERATIONS_PER_CHECK = 10_000
_CONNECT_SECONDS = 10

Rows = tuple[list[str], list[list[object]]]
"""The columns' names, and the rows."""


class Reading(Protocol):
    """A connection that reads. All methods raise UnreadableError."""

    def schema(self) -> Schema:
        """Tables, columns and foreign keys."""
        ...

    def values(self, table: Table, column: Column) -> Iterable[str]:
        """Short texts that stand in a column, at most MAX_VALUES."""
        ...

    def is_unique(self, table: Table, column: Column) -> bool:
        """Whether no text stands twice in a column's first MAX_VALUES rows, and none is missing."""
        ...

    def query(self, schema: Schema, query: str, max_rows: int) -> Rows:
        """The first rows of one SELECT query."""
        ...


class Database(Protocol):
    """A database that is opened anew for each use, so that a changed one is seen as it is."""

    @property
    def name(self) -> str:
        """As a message names it, without a password."""
        ...

    def reading(self, max_seconds: float) -> AbstractContextManager[Reading]:
        """A connection for at most so long. Raises UnreadableError, and within it too."""
        ...


class UnreadableError(Exception):
    """The database refuses, or took too long."""


def open_database(url: str, setting: str) -> Database:
    """The database of an SQLAlchemy URL. Raises DatabaseError if it cannot be held to reading."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise DatabaseError("***", setting, "it is no SQLAlchemy URL") from error
    match parsed.get_backend_name():
        case "sqlite" if parsed.database:
            return SqliteDatabase(Path(parsed.database))
        case "postgresql":
            return PostgresDatabase(parsed, setting)
        case dialect:
            name = parsed.render_as_string(hide_password=True)
            raise DatabaseError(name, setting, f"{dialect} is not supported: only sqlite and postgresql are read-only")


class SqliteDatabase:
    """A file, opened with mode=ro and query_only; an authorizer allows its tables and harmless functions."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self._engine = create_engine("sqlite://", creator=self._connect, poolclass=NullPool)

    @contextmanager
    def reading(self, max_seconds: float) -> Generator[Reading]:
        """A connection with a progress handler that ends it in time."""
        deadline = time.monotonic() + max_seconds
        with _errors(deadline, max_seconds), self._engine.connect() as connection:
            driver = cast(sqlite3.Connection, connection.connection.driver_connection)
            driver.set_progress_handler(lambda: time.monotonic() > deadline, _OPERATIONS_PER_CHECK)
            yield _SqliteReading(driver)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(f"{self.path.resolve().as_uri()}?mode=ro", uri=True)
        connection.execute("PRAGMA query_only = ON")
        return connection


class PostgresDatabase:
    """A server, asked in read-only transactions with a statement timeout, by a role that is no superuser."""

    def __init__(self, url: URL, setting: str) -> None:
        """Raises DatabaseError if the driver is missing, or the server refuses or gives too many rights."""
        self.name = url.render_as_string(hide_password=True)
        try:
            self._engine: Engine = create_engine(
                url.set(drivername="postgresql+psycopg"),
                poolclass=NullPool,
                connect_args={"connect_timeout": _CONNECT_SECONDS},
            )
        except ModuleNotFoundError as error:
            raise DatabaseError(self.name, setting, "psycopg is missing: pip install 'ccoe[postgresql]'") from error
        try:
            with self._connected(_CONNECT_SECONDS) as connection:
                is_superuser = connection.exec_driver_sql("SHOW is_superuser").scalar_one() == "on"
        except UnreadableError as error:
            raise DatabaseError(self.name, setting, str(error)) from error
        if is_superuser:
            reason = "its role is a superuser, who reads the server's files too; use one that may only read"
            raise DatabaseError(self.name, setting, reason)

    @contextmanager
    def reading(self, max_seconds: float) -> Generator[Reading]:
        """A read-only transaction of its own."""
        with self._connected(max_seconds) as connection:
            yield _PostgresReading(connection)

    @contextmanager
    def _connected(self, max_seconds: float) -> Generator[Connection]:
        deadline = time.monotonic() + max_seconds
        with _errors(deadline, max_seconds), self._engine.connect() as connection:
            connection.execution_options(postgresql_readonly=True)
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = {max(1, int(max_seconds * 1000))}")
            yield connection


class _SqliteReading:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def schema(self) -> Schema:
        return read_schema(self._connection)

    def values(self, table: Table, column: Column) -> Iterable[str]:
        return values_of(self._connection, table, column)

    def is_unique(self, table: Table, column: Column) -> bool:
        return is_unique_in(self._connection, table, column)

    def query(self, schema: Schema, query: str, max_rows: int) -> Rows:
        self._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)
        self._connection.set_authorizer(_authorizer(schema))
        cursor = self._connection.execute(query)
        return [column[0] for column in cursor.description or ()], _rows(cursor.fetchmany(max_rows))


class _PostgresReading:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def schema(self) -> Schema:
        inspector, quote = inspect(self._connection), self._connection.dialect.identifier_preparer.quote
        names = sorted([*inspector.get_table_names(), *inspector.get_view_names()])
        tables: list[Table] = []
        keys: list[ForeignKey] = []
        for name in names:
            columns = (
                Column(column["name"], quote(column["name"]), isinstance(column["type"], Integer | Numeric))
                for column in inspector.get_columns(name)
            )
            tables.append(Table(name, quote(name), tuple(columns)))
            for key in inspector.get_foreign_keys(name):
                if key["referred_table"] in names and len(key["constrained_columns"]) == 1:
                    target = (key["referred_table"], key["referred_columns"][0])
                    keys.append(ForeignKey(name, key["constrained_columns"][0], *target))
        return Schema(tuple(tables), tuple(keys))

    def is_unique(self, table: Table, column: Column) -> bool:
        return bool(self._connection.exec_driver_sql(unique_query(table, column)).scalar_one())

    def values(self, table: Table, column: Column) -> Iterable[str]:
        text = f"CAST({column.sql} AS text)"
        is_short = f"length({text}) <= {MAX_VALUE_CHARS}"
        found = self._connection.exec_driver_sql(
            f"SELECT DISTINCT {text} FROM {table.sql} WHERE {is_short} LIMIT {MAX_VALUES}"
        )
        return [str(value) for (value,) in found if str(value).strip()]

    def query(self, schema: Schema, query: str, max_rows: int) -> Rows:
        # a cursor of the server holds one statement, and sends no more rows than are fetched
        options = {"stream_results": True, "no_parameters": True}
        found = self._connection.exec_driver_sql(query, execution_options=options)
        return list(found.keys()), _rows(found.fetchmany(max_rows))


@contextmanager
def _errors(deadline: float, max_seconds: float) -> Generator[None]:
    try:
        yield
    except (sqlite3.Error, sqlite3.Warning, SQLAlchemyError) as error:
        is_late = time.monotonic() > deadline
        cause = error.orig if isinstance(error, DBAPIError) else error
        reason = " ".join(str(cause).split())
        raise UnreadableError(f"the query took longer than {max_seconds} s" if is_late else reason) from error


def _rows(rows: Iterable[Sequence[Any]]) -> list[list[object]]:
    return [[_plain_value(value) for value in row] for row in rows]


def _plain_value(value: object) -> object:
    """What JSON holds: a number, a text, true, false or nothing."""
    match value:
        case None | str() | int() | float():
            return value
        case bytes():
            return f"({len(value)} bytes)"
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case _:
            return str(value)


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
