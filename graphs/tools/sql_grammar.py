"""The grammar of the queries that an expert may write for one step over one database."""

import json
import re
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from typing import Literal

from graphs.grammar import literal
from graphs.numbers import plain, written_numbers
from graphs.tools.schema import Column, ForeignKey, Link, Schema, Table, quoted

MAX_SCOPES = 40
MAX_NESTED_TABLES = 10
"""Over more tables no query stands in a condition of another one: the grammar would be too large."""
_DEPTH = 2
"""So deep may queries stand in each other."""
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

    @property
    def texts(self) -> list[str]:
        """The columns that are no numbers."""
        return [field.sql for field in self.fields if not field.column.is_numeric]


def query_grammar(schema: Schema, links: Sequence[Link], step: str) -> str:
    """A Lark grammar of SELECT queries over one table, or over tables joined along declared foreign keys.

    Text is compared with linked values of that column only; if nothing is linked, with words of the step. A value that
    the step names is used, unless it is a table's or column's name too.
    Numbers are those of the step that are no part of a linked value. A condition may have a query over one table in it.
    It is one terminal, because the lexer is greedy.
    """
    numbers = tuple(dict.fromkeys(plain(number) for number in written_numbers(without_links(step, links))))
    named = {quoted(link.value) for link in links if link.value.casefold() not in schema.names}
    literals = _Literals(bool(numbers), not links, bool(_EXTREME.search(step)))
    tables = [_Scope(table.sql, tuple(_fields(table, links, is_qualified=False))) for table in schema.tables]
    nesting = _Nesting(tables if len(tables) <= MAX_NESTED_TABLES else [], literals, named)
    scopes = [*tables, *_joins(schema, links)]
    if named:
        scopes = [one for one in scopes if nesting.conditions(one, "WITH_NAMED") or not named.isdisjoint(one.literals)]
    scopes = scopes[:MAX_SCOPES]
    lines = ["start: QUERY", f"QUERY: {' | '.join(f'QUERY{i}' for i in range(len(scopes)))}", *nesting.rules()]
    for i, scope in enumerate(scopes):
        where = list(_where_rules(i, scope, nesting))
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


@dataclass(frozen=True, slots=True)
class _Nesting:
    """Queries that stand in conditions of others: `ANY{i}_{depth}` is what follows the columns of one over table i.

    `WITH_NAMED{i}_{depth}` is the same with a condition on a named value in it.
    """

    tables: Sequence[_Scope]
    literals: _Literals
    named: Set[str]

    def rules(self) -> Iterable[str]:
        """Of all tables at all depths."""
        for depth in range(1, _DEPTH + 1):
            for i, table in enumerate(self.tables):
                yield from self._rules_of(f"{i}_{depth}", table, depth)

    def _rules_of(self, place: str, table: _Scope, depth: int) -> Iterable[str]:
        tests = [rule for field in table.fields for rule in _conditions(field, self.literals)]
        tests += self.conditions(table, "ANY", depth - 1)
        opening = literal(f" FROM {table.from_clause}")
        if not tests:
            yield f"ANY{place}: {opening}"
            return
        yield f"TEST{place}: {' | '.join(tests)}"
        yield f'ANY{place}: {opening} (" WHERE " TEST{place} (" AND " TEST{place})?)?'
        if wanted := self._wanted(table, depth):
            yield f"WANTED{place}: {' | '.join(wanted)}"
            both = f'WANTED{place} (" AND " TEST{place})? | TEST{place} " AND " WANTED{place}'
            yield f'WITH_NAMED{place}: {opening} " WHERE " ({both})'

    def _wanted(self, table: _Scope, depth: int) -> list[str]:
        """Conditions of a query at this depth that have a named value."""
        return [*_of_named(table, self.named), *self.conditions(table, "WITH_NAMED", depth - 1)]

    def conditions(self, scope: _Scope, rule: Literal["ANY", "WITH_NAMED"], depth: int = _DEPTH) -> list[str]:
        """Conditions on queries down to this depth, if the scope is a single table.

        Texts are looked for among any other texts; a column is compared with itself in another row or table.
        """
        if depth == 0 or scope not in self.tables:
            return []
        inner = {
            f"{rule}{i}_{depth}": table
            for i, table in enumerate(self.tables)
            if rule == "ANY" or self._wanted(table, depth)
        }
        among = [f"({_any_of(table.texts)}) {name}" for name, table in inner.items() if table.texts]
        found: list[str] = []
        if among and scope.texts:
            found.append(f'({_any_of(scope.texts)}) (" IN " | " NOT IN ") "(SELECT " ({" | ".join(among)}) ")"')
        for sql in [field.sql for field in scope.fields if self.literals.has_extremes]:
            same = [name for name, table in inner.items() if any(field.sql == sql for field in table.fields)]
            values = _any_of([sql, *(f"{function}({sql})" for function in ("MAX", "MIN", "AVG"))])
            if same:
                signs = '" = " | " > " | " < "'
                found.append(f'{literal(sql)} ({signs}) "(SELECT " ({values}) ({" | ".join(same)}) ")"')
        return found


def _where_rules(i: int, scope: _Scope, nesting: _Nesting) -> Iterable[str]:
    """Up to three conditions, one of them on a named value if there are such; nothing if no column can be compared."""
    conditions = [rule for field in scope.fields for rule in _conditions(field, nesting.literals)]
    conditions += nesting.conditions(scope, "ANY")
    if not conditions:
        return
    yield f"CONDITION{i}: {' | '.join(conditions)}"
    more = f'((" AND " | " OR ") CONDITION{i})'
    if not nesting.named:
        yield f'WHERE{i}: (" WHERE " CONDITION{i} {more}{{0,2}})?'
        return
    yield f"NAMED{i}: {' | '.join([*_of_named(scope, nesting.named), *nesting.conditions(scope, 'WITH_NAMED')])}"
    yield f'WHERE{i}: " WHERE " NAMED{i} {more}{{0,2}} | " WHERE " CONDITION{i} (" AND " | " OR ") NAMED{i} {more}?'


def _of_named(scope: _Scope, named: Set[str]) -> list[str]:
    return [
        f'{literal(field.sql)} (" = " | " != ") ({_any_of(field.literals)})'
        for field in scope.fields
        if not named.isdisjoint(field.literals)
    ]


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


def _joins(schema: Schema, links: Sequence[Link]) -> Iterable[_Scope]:
    """Joins of two tables, then of three."""
    tables = {table.name: table for table in schema.tables}
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
