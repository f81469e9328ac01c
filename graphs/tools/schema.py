"""What an SQL expert may know of a SQLite database: tables, columns, foreign keys, and the values that a text names."""

import re
import sqlite3
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, replace

MAX_VALUES = 5_000
MAX_VALUE_CHARS = 200
_NUMERIC_TYPE = re.compile(r"INT|REAL|NUM|DEC|FLOA|DOUB|BOOL", re.IGNORECASE)
_REMARK = re.compile(
    r"note|comment|remark|description|text|body|mail|phone|url|path|date|time|code|uuid|(?:^|_)id$|(?-i:[a-z]I[Dd]$)",
    re.IGNORECASE,
)
_PART_OF_NAME = re.compile(r"(?:first|last|middle|given|family|sur|fore)_?name", re.IGNORECASE)
_SHORT_WORDS = frozenset("am an as at be by can do he hi if in is it may me my no of ok on or so to up us we".split())
_MIN_PLURAL_CHARS = 4
_PLAIN_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Column:
    """A column; `sql` is its name as a query writes it."""

    name: str
    sql: str
    is_numeric: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A table or view; `sql` is its name as a query writes it."""

    name: str
    sql: str
    columns: tuple[Column, ...]
    naming: str | None = None
    """The column that says what its things are called, if `with_names` has looked for it and there is one."""


IsUnique = Callable[[Table, Column], bool]
"""Whether no text stands twice in a column, and none is missing."""


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """`table.column` points to `target.target_column`."""

    table: str
    column: str
    target: str
    target_column: str


@dataclass(frozen=True, slots=True)
class Link:
    """A value of the database that stands in a text, at start:end."""

    table: str
    column: str
    value: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables and foreign keys of a database."""

    tables: tuple[Table, ...]
    foreign_keys: tuple[ForeignKey, ...]

    def __str__(self) -> str:
        """`Tables: products(product_id, name, price); orders(order_id, product_id)`."""
        tables = (f"{table.name}({', '.join(column.name for column in table.columns)})" for table in self.tables)
        return f"Tables: {'; '.join(tables)}"

    @property
    def names(self) -> frozenset[str]:
        """All names of tables and columns, case-folded."""
        names = (name for table in self.tables for name in (table.name, *(column.name for column in table.columns)))
        return frozenset(name.casefold() for name in names)


def read_schema(connection: sqlite3.Connection) -> Schema:
    """The schema of the open database. Raises sqlite3.Error if it cannot be read."""
    query = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    names = [str(name) for (name,) in connection.execute(query)]
    tables = tuple(_read_table(connection, name) for name in names)
    return Schema(tables, tuple(key for table in tables for key in _read_keys(connection, table.name, tables)))


def with_names(schema: Schema, is_unique: IsUnique) -> Schema:
    """The schema, each table with the column that names its things: the first with texts of which none stands twice.

    None if their names are of several parts, or some have the same.
    """
    return replace(schema, tables=tuple(replace(one, naming=_naming(one, is_unique)) for one in schema.tables))


def find_links(
    values: Callable[[Table, Column], Iterable[str]], is_unique: IsUnique, schema: Schema, text: str
) -> tuple[Link, ...]:
    """The values of text columns that stand in the text as whole words, in any case.

    Of a column that has a text twice, the plural counts too: `engineers`, but not `Dunes`.
    `Colorado river` may be a value, and what a table `river` calls Colorado: both then stand in the same place.
    """
    found = [
        link
        for table in schema.tables
        for column in table.columns
        if not column.is_numeric
        for link in _column_links(table, column, values(table, column), is_unique, text)
        if text[link.start : link.end].lower() == link.value.lower()
        or text[link.start : link.end].lower() not in schema.names
    ]
    places = {(link.start, link.end) for link in found}
    return tuple(_with_thing(link, text, places) for link in found)


def without_links(step: str, links: Sequence[Link]) -> str:
    """The step with blanks in place of the values that it names."""
    spans = [(link.start, link.end) for link in links]
    return "".join(" " if any(start <= i < end for start, end in spans) else char for i, char in enumerate(step))


def quoted(value: str) -> str:
    """A text as an SQL literal."""
    return "'" + value.replace("'", "''") + "'"


def values_of(connection: sqlite3.Connection, table: Table, column: Column) -> Iterable[str]:
    """The short texts of a column of the open database, at most MAX_VALUES. Raises sqlite3.Error."""
    is_short_text = f"typeof({column.sql}) = 'text' AND length({column.sql}) <= {MAX_VALUE_CHARS}"
    rows = connection.execute(f"SELECT DISTINCT {column.sql} FROM {table.sql} WHERE {is_short_text} LIMIT {MAX_VALUES}")
    return (str(value) for (value,) in rows if str(value).strip())


def _with_thing(link: Link, text: str, places: Set[tuple[int, int]]) -> Link:
    """The link as far as its table's name right behind it, where another value stands there too."""
    behind = re.match(rf" {re.escape(link.table)}\b", text[link.end :], re.IGNORECASE)
    end = link.end + behind.end() if behind else link.end
    return replace(link, end=end) if (link.start, end) in places else link


def _naming(table: Table, is_unique: IsUnique) -> str | None:
    for column in table.columns:
        if column.is_numeric or _REMARK.search(column.name):
            continue
        if not _PART_OF_NAME.fullmatch(column.name) and is_unique(table, column):
            return column.name
        if "name" in column.name.lower():
            return None
    return None


def _column_links(
    table: Table, column: Column, values: Iterable[str], is_unique: IsUnique, text: str
) -> Iterable[Link]:
    folded = text.lower()
    for value in values:
        # one letter or a little word in another case is a word of the text, not a value
        is_word = len(value) == 1 or value.lower() in _SHORT_WORDS
        wanted, searched = (value, text) if is_word else (value.lower(), folded)
        if wanted not in searched:
            continue
        found = re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", searched)
        if found is None and value.isalpha() and len(value) >= _MIN_PLURAL_CHARS:
            many = re.search(rf"(?<!\w){re.escape(wanted)}e?s(?!\w)", searched)
            found = many if many and not is_unique(table, column) else None
        if found:
            yield Link(table.name, column.name, value, found.start(), found.end())


def _read_table(connection: sqlite3.Connection, name: str) -> Table:
    rows = connection.execute("SELECT name, type FROM pragma_table_info(?)", (name,)).fetchall()
    sql = _name_in_sql(connection, name)
    columns: list[Column] = []
    for column, declared in rows:
        column_sql = _name_in_sql(connection, column)
        is_numeric = bool(_NUMERIC_TYPE.search(declared)) if declared else _holds_numbers(connection, sql, column_sql)
        columns.append(Column(column, column_sql, is_numeric))
    return Table(name, sql, tuple(columns))


def _read_keys(connection: sqlite3.Connection, name: str, tables: tuple[Table, ...]) -> Iterable[ForeignKey]:
    by_name = {table.name.lower(): table for table in tables}
    query = 'SELECT "table", "from", "to" FROM pragma_foreign_key_list(?)'
    for target_name, column, target_column in connection.execute(query, (name,)):
        target = by_name.get(target_name.lower())
        if target is None:
            continue
        # a foreign key that names no column points to the primary key
        key = target_column or _primary_key(connection, target.name)
        if any(key == known.name for known in target.columns):
            yield ForeignKey(name, column, target.name, str(key))


def _primary_key(connection: sqlite3.Connection, name: str) -> str | None:
    row = connection.execute("SELECT name FROM pragma_table_info(?) WHERE pk = 1", (name,)).fetchone()
    return str(row[0]) if row else None


def _holds_numbers(connection: sqlite3.Connection, table: str, column: str) -> bool:
    query = f"SELECT typeof({column}) FROM {table} WHERE {column} IS NOT NULL LIMIT 1"
    row = connection.execute(query).fetchone()
    return row is not None and row[0] in ("integer", "real")


def unique_query(table: Table, column: Column) -> str:
    """Whether the texts of a column's first rows all differ and none is missing, as a query."""
    rows = f"(SELECT {column.sql} AS value FROM {table.sql} LIMIT {MAX_VALUES}) AS texts"
    return f"SELECT COUNT(*) = COUNT(DISTINCT value) FROM {rows}"


def is_unique_in(connection: sqlite3.Connection, table: Table, column: Column) -> bool:
    """Whether that is so in the open database. Raises sqlite3.Error."""
    return bool(connection.execute(unique_query(table, column)).fetchone()[0])


def _name_in_sql(connection: sqlite3.Connection, name: str) -> str:
    if _PLAIN_NAME.fullmatch(name):
        try:
            connection.execute(f"SELECT {name}.{name} FROM (SELECT NULL AS {name}) AS {name}")
        except sqlite3.OperationalError:
            pass  # a keyword
        else:
            return name
    return '"' + name.replace('"', '""') + '"'
