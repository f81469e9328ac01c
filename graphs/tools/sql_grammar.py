"""The grammar of the queries that an expert may write for one step over one database."""

import json
import re
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass

from graphs.grammar import literal
from graphs.numbers import plain, written_numbers
from graphs.tools.schema import Column, ForeignKey, Link, Schema, Table, quoted

MAX_SCOPES = 40
_WORD = re.compile(r"\s+|\w+|[^\w\s]")
_EXTREME = re.compile(r"\b(?:\w{2,}est|most|least|best|worst|max\w*|min\w*|top|first|last)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Field:
    """A column as a query over some tables names it, and the literals it may be compared with."""

    sql: str
    table_sql: str
    column: Column
    literals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Scope:
    """A FROM clause and the columns that it offers."""

    from_clause: str
    fields: tuple[_Field, ...]

    @property
    def literals(self) -> frozenset[str]:
        return frozenset(literal for field in self.fields for literal in field.literals)


def query_grammar(schema: Schema, links: Sequence[Link], step: str) -> str:
    """A Lark grammar of SELECT queries over one table, or over tables joined along declared foreign keys.

    Text is compared with linked values of that column only; if nothing is linked, with words of the step. A value that
    the step names is used, unless it is a table's or column's name too.
    Numbers are those of the step that are no part of a linked value. It is one terminal, because the lexer is greedy.
    """
    numbers = tuple(dict.fromkeys(plain(number) for number in written_numbers(without_links(step, links))))
    named = {quoted(link.value) for link in links if link.value.casefold() not in schema.names}
    scopes = list(_scopes(schema, links))
    scopes = [scope for scope in scopes if not named or not named.isdisjoint(scope.literals)][:MAX_SCOPES]
    lines = ["start: QUERY", f"QUERY: {' | '.join(f'QUERY{i}' for i in range(len(scopes)))}"]
    for i, scope in enumerate(scopes):
        literals = _Literals(bool(numbers), not links, bool(_EXTREME.search(step)))
        where = list(_where_rules(i, scope, literals, named))
        lines += [*_scope_rules(i, scope, f" WHERE{i}" if where else ""), *where]
    if numbers:
        lines.append(f"NUMBER: {_any_of(numbers)}")
    if not links:
        words = [word.replace("'", "''") for word in _WORD.findall(step.strip())]
        lines += [
            """QUOTED: "'" WORDS "'" """,
            r"WORDS: CHUNKS & /\S(.|\n)*/",
            f"CHUNKS: %regex {json.dumps({'substring_chunks': words})}",
        ]
    counts = tuple(dict.fromkeys((*(number for number in numbers if number.isdigit() and int(number) > 0), "1")))
    lines.append(f"LIMIT: {_any_of(counts)}")
    return "\n".join(lines)


def without_links(step: str, links: Sequence[Link]) -> str:
    """The step with blanks in place of the values that it names."""
    spans = [(link.start, link.end) for link in links]
    return "".join(" " if any(start <= i < end for start, end in spans) else char for i, char in enumerate(step))


@dataclass(frozen=True, slots=True)
class _Literals:
    """What columns may be compared with."""

    has_numbers: bool
    is_free: bool
    """With any words of the step, because it names no value."""
    has_extremes: bool
    """With a column's largest and smallest value, because the step asks for one."""


def _scope_rules(i: int, scope: _Scope, where: str) -> list[str]:
    names = _any_of([field.sql for field in scope.fields])
    numeric = [field.sql for field in scope.fields if field.column.is_numeric]
    aggregates = ['"COUNT(*)"', f'"COUNT(DISTINCT " NAME{i} ")"', f'("MIN(" | "MAX(") NAME{i} ")"']
    if numeric:
        aggregates.append(f'("SUM(" | "AVG(") ({_any_of(numeric)}) ")"')
    return [
        f'QUERY{i}: "SELECT " SELECT{i} {literal(f" FROM {scope.from_clause}")}{where} ORDER{i}?',
        f'SELECT{i}: NAME{i} (", " NAME{i}){{0,3}} | {" | ".join(aggregates)}',
        f"NAME{i}: {names}",
        f'ORDER{i}: " ORDER BY " NAME{i} (" DESC" | " ASC")? (" LIMIT " LIMIT)?',
    ]


def _where_rules(i: int, scope: _Scope, literals: _Literals, named: Set[str]) -> Iterable[str]:
    """Up to three conditions, one of them on a named value if there are such; nothing if no column can be compared."""
    conditions = [rule for field in scope.fields for rule in _conditions(field, literals)]
    if not conditions:
        return
    yield f"CONDITION{i}: {' | '.join(conditions)}"
    more = f'((" AND " | " OR ") CONDITION{i})'
    if not named:
        yield f'WHERE{i}: (" WHERE " CONDITION{i} {more}{{0,2}})?'
        return
    of_named = (
        f'{literal(field.sql)} (" = " | " != ") ({_any_of(field.literals)})'
        for field in scope.fields
        if not named.isdisjoint(field.literals)
    )
    yield f"NAMED{i}: {' | '.join(of_named)}"
    yield f'WHERE{i}: " WHERE " NAMED{i} {more}{{0,2}} | " WHERE " CONDITION{i} (" AND " | " OR ") NAMED{i} {more}?'


def _conditions(field: _Field, literals: _Literals) -> Iterable[str]:
    if literals.has_extremes:
        extreme = f"(SELECT {{}}({field.column.sql}) FROM {field.table_sql})"
        yield f"{literal(f'{field.sql} = ')} ({literal(extreme.format('MAX'))} | {literal(extreme.format('MIN'))})"
    if field.column.is_numeric:
        if literals.has_numbers:
            yield f'{literal(field.sql)} (" = " | " > " | " >= " | " < " | " <= " | " != ") NUMBER'
    elif literals.is_free:
        yield f'{literal(field.sql)} (" = " | " != ") QUOTED'
    elif field.literals:
        yield f'{literal(field.sql)} (" = " | " != ") ({_any_of(field.literals)})'


def _scopes(schema: Schema, links: Sequence[Link]) -> Iterable[_Scope]:
    """Single tables, then joins of two, then of three."""
    tables = {table.name: table for table in schema.tables}
    for table in schema.tables:
        yield _Scope(table.sql, tuple(_fields(table, links, is_qualified=False)))
    paths = [((table.name,), table.sql) for table in schema.tables]
    for _ in range(2):
        paths = list(_extended(paths, schema.foreign_keys, tables))
        for names, from_clause in paths:
            fields = (field for name in names for field in _fields(tables[name], links, is_qualified=True))
            yield _Scope(from_clause, tuple(fields))


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


def _fields(table: Table, links: Sequence[Link], *, is_qualified: bool) -> Iterable[_Field]:
    for column in table.columns:
        values = (link.value for link in links if (link.table, link.column) == (table.name, column.name))
        sql = f"{table.sql}.{column.sql}" if is_qualified else column.sql
        yield _Field(sql, table.sql, column, tuple(dict.fromkeys(quoted(value) for value in values)))


def _qualified(table: Table, name: str) -> str:
    column = next(column for column in table.columns if column.name.lower() == name.lower())
    return f"{table.sql}.{column.sql}"


def _any_of(texts: Iterable[str]) -> str:
    return " | ".join(literal(text) for text in texts)
