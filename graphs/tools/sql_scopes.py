"""FROM clauses of a database, with the columns that each offers and the values that a step names in them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from graphs.tools.schema import Column, ForeignKey, Link, Schema, Table, quoted

_ORDERED = re.compile(r"date|time|day|year|month|_at$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Field:
    """A column as a query over some tables names it, and the literals it may be compared with."""

    sql: str
    table: Table
    column: Column
    literals: tuple[str, ...]

    @property
    def is_numeric(self) -> bool:
        """Whether it holds numbers."""
        return self.column.is_numeric

    @property
    def is_ordered(self) -> bool:
        """Whether it has a first and a last value that somebody may ask for."""
        return self.is_numeric or bool(_ORDERED.search(self.column.name))


@dataclass(frozen=True, slots=True)
class Scope:
    """A FROM clause and the columns that it offers."""

    from_clause: str
    tables: tuple[Table, ...]
    fields: tuple[Field, ...]

    @property
    def literals(self) -> frozenset[str]:
        """All values that the step names in it."""
        return frozenset(literal for field in self.fields for literal in field.literals)


def scopes_of(schema: Schema, links: Sequence[Link]) -> Iterable[Scope]:
    """Single tables, then joins of two along declared foreign keys, then of three."""
    tables = {table.name: table for table in schema.tables}
    for table in schema.tables:
        yield Scope(table.sql, (table,), tuple(_fields(table, links, is_qualified=False)))
    paths = [((table.name,), table.sql) for table in schema.tables]
    for _ in range(2):
        paths = list(_extended(paths, schema.foreign_keys, tables))
        for names, from_clause in paths:
            joined = tuple(tables[name] for name in names)
            fields = (field for table in joined for field in _fields(table, links, is_qualified=True))
            yield Scope(from_clause, joined, tuple(fields))


def places_of(schema: Schema, links: Sequence[Link]) -> list[frozenset[str]]:
    """The literals of each place where the step names a value; what stands within a longer value's place is none."""
    values = [link for link in links if link.value.casefold() not in schema.names]
    spans = sorted({(link.start, link.end) for link in values})
    outer = [
        (start, end)
        for start, end in spans
        if not any((s, e) != (start, end) and s <= start and end <= e for s, e in spans)
    ]
    return [frozenset(quoted(one.value) for one in values if (one.start, one.end) == span) for span in outer]


def _extended(
    paths: Sequence[tuple[tuple[str, ...], str]], keys: Sequence[ForeignKey], tables: dict[str, Table]
) -> Iterable[tuple[tuple[str, ...], str]]:
    for names, from_clause in paths:
        for key in keys:
            near, far = (key.table, key.column), (key.target, key.target_column)
            for (here, here_column), (there, there_column) in ((near, far), (far, near)):
                if here in names and there not in names:
                    on = f"{_qualified(tables[here], here_column)} = {_qualified(tables[there], there_column)}"
                    yield (*names, there), f"{from_clause} JOIN {tables[there].sql} ON {on}"


def _fields(table: Table, links: Sequence[Link], *, is_qualified: bool) -> Iterable[Field]:
    for column in table.columns:
        values = (link.value for link in links if (link.table, link.column) == (table.name, column.name))
        sql = f"{table.sql}.{column.sql}" if is_qualified else column.sql
        yield Field(sql, table, column, tuple(dict.fromkeys(quoted(value) for value in values)))


def _qualified(table: Table, name: str) -> str:
    column = next(column for column in table.columns if column.name.lower() == name.lower())
    return f"{table.sql}.{column.sql}"
