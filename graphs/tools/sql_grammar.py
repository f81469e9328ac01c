"""The grammar of the queries that an expert may write for one step over one database.

A query uses what the step names: every value, every number, every column, and the end of a column that it asks for.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

from graphs.grammar import literal
from graphs.numbers import plain, written_numbers
from graphs.tools.schema import Link, Schema, quoted, without_links
from graphs.tools.sql_cues import SIGNS, Cues, with_digits
from graphs.tools.sql_scopes import Field, Scope, places_of, scopes_of

MAX_SCOPES = 40
MAX_CHARS = 300_000
"""Of the queries; beyond, a grammar would take too long to compile."""
MAX_CONDITIONS = 3
MAX_NEEDED = 3
"""Columns that must be used; of more, none must."""
_WORD = re.compile(r"\s+|\w+|[^\w\s]")
_DATE = re.compile(r"(?<![\w-])\d{4}-\d\d-\d\d(?![\w-])")
_YEAR = re.compile(r"[12]\d{3}")
_OF_YEAR = {
    "=": " LIKE '{}%'",
    **{">": " > '{}-12-31'", ">=": " >= '{}-01-01'"},
    **{"<": " < '{}-01-01'", "<=": " <= '{}-12-31'"},
}
"""How a date is compared with a year."""
_MANY = "{0,3}"


def query_grammar(schema: Schema, links: Sequence[Link], step: str) -> str:
    """A Lark grammar of SELECT queries over one table, or over tables joined along declared foreign keys.

    Text is compared with linked values of that column only; if nothing is linked, with words of the step. Numbers are
    those of the step that are no part of a linked value, and dates. Each is one terminal, because the lexer is greedy.
    """
    scopes = list(scopes_of(schema, links))
    links = [link for link in links if not _DATE.fullmatch(link.value)]
    rest = with_digits(without_links(step, links))
    numbers = tuple(dict.fromkeys(plain(number) for number in written_numbers(_DATE.sub(" ", rest))))
    dates = tuple(dict.fromkeys(map(quoted, _DATE.findall(rest))))
    cues = Cues.read(rest, schema)
    scopes, places = _covering(scopes, places_of(schema, links))
    scopes = _said(scopes, cues, schema)[:MAX_SCOPES]
    asked = [_Asked(scope, cues, places, numbers, dates, is_free=not links) for scope in scopes]
    queries, shared = list[str](), list[str]()
    for k, one in enumerate(asked):
        if sum(map(len, queries)) < MAX_CHARS:
            condition = one.of_number(one.scope.fields)
            shared += [f"CONDITION{k}: {condition}"] if condition else []
            queries += [query.replace(condition, f"CONDITION{k}") if condition else query for query in one.queries()]
    queries = queries or [query for one in asked for query in one.loose()]
    lines = ["start: QUERY", f"QUERY: {' | '.join(f'QUERY{i}' for i in range(len(queries)))}"]
    lines += [f"QUERY{i}: {query}" for i, query in enumerate(queries)]
    lines += shared
    if numbers:
        lines.append(f"NUMBER: {_any_of(numbers)}")
    if dates:
        lines.append(f"DATE: {_any_of(dates)}")
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


def _covering(scopes: Sequence[Scope], places: Sequence[frozenset[str]]) -> tuple[list[Scope], list[frozenset[str]]]:
    """The scopes with a value of every place, and the places; without such, those with one, and all as one place."""
    every = [scope for scope in scopes if not any(place.isdisjoint(scope.literals) for place in places)]
    if every and len(places) <= MAX_CONDITIONS:
        return every, list(places)
    either = frozenset[str]().union(*places)
    return [scope for scope in scopes if not either.isdisjoint(scope.literals)], [either]


Group = tuple[Field, ...]
"""A column, or those of joined tables that have its name: any of them will do."""


def _said(scopes: list[Scope], cues: Cues, schema: Schema) -> list[Scope]:
    """The scopes of which the step says as many names as of any single table."""
    said = {table.name: cues.num_said([table]) for table in schema.tables}
    ranked = [(sum(said[table.name] for table in scope.tables), scope) for scope in scopes]
    most = max((num_said for num_said, scope in ranked if len(scope.tables) == 1), default=1)
    return [scope for num_said, scope in ranked if num_said >= most] or scopes


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked of one FROM clause."""

    scope: Scope
    cues: Cues
    places: Sequence[frozenset[str]]
    numbers: Sequence[str]
    dates: Sequence[str]
    is_free: bool
    """With any words of the step as values, because it names none."""

    def queries(self) -> Iterator[str]:
        """All that use what the step names: a column is shown, compared with a number, or it decides the order."""
        needed = self._needed()
        if self.cues.is_superlative:
            for ends in self._ends(needed):
                yield from self._of_end(ends, [group for group in needed if not any(end in group for end in ends)])
            if self.cues.is_end:
                return
        for compared in self._compared(needed):
            shown = [group for group in needed if group not in compared]
            where = self._where(compared, lowest=self._num_given)
            yield from (self._query(columns, where, f"({self._order()})?") for columns in self._columns(shown))
            if functions := " | ".join(self._functions(shown)):
                yield self._query(functions, where, "")
            yield from () if self.cues.is_number else self._in_order(compared, shown)

    def loose(self) -> Iterator[str]:
        """All that use a value that the step names."""
        names = f"({_any_of([field.sql for field in self.scope.fields])})"
        select = f'{names} (", " {names}){_MANY} | "COUNT(*)"'
        yield self._query(select, self._where((), lowest=0), f"({self._order()})?")

    def _query(self, select: str, where: str, order: str) -> str:
        return f'"SELECT " ({select}) {literal(f" FROM {self.scope.from_clause}")} {where} {order}'

    def _needed(self) -> list[Group]:
        """The columns that must be used."""
        named: dict[str, Group] = {}
        for field in self.scope.fields:
            if self.cues.needs(field.table, name := field.column.name):
                named[name.casefold()] = (*named.get(name.casefold(), ()), field)
        given = frozenset[str]().union(*self.places)
        groups = [group for group in named.values() if not any(given & {*field.literals} for field in group)]
        return groups if len(groups) <= MAX_NEEDED else []

    def _in_order(self, compared: Sequence[Group], shown: Sequence[Group]) -> Iterator[str]:
        """Queries with a needed column that decides the order, or with one of the numbers as how many are asked for."""
        where, fewer = (self._where(compared, lowest=self._num_given - count) for count in (0, 1))
        for by in [None, *(shown if self.cues.is_sorted else ())]:
            order = self._order(by or self.scope.fields, limit="")
            for columns in self._columns([group for group in shown if group != by]):
                if self.numbers and self.cues.signs == SIGNS:
                    yield self._query(columns, fewer, f'{order} " LIMIT " LIMIT')
                if by:
                    yield self._query(columns, where, f'{order} (" LIMIT " LIMIT)?')

    def _ends(self, needed: Sequence[Group]) -> list[Group]:
        """The columns of whose first or last value the step speaks: each of those that it names so, or any."""
        fields = self.scope.fields
        named = [(field,) for field in fields if self.cues.end_of(field.table) == field.column.name]
        said = [group for group in needed if group[0].is_ordered]
        others = (field for field in fields if field.is_ordered and not any(field in group for group in needed))
        return named or [*said, tuple(others)]

    def _of_end(self, ends: Group, needed: Sequence[Group]) -> Iterator[str]:
        """Queries for the first or last value of one of the columns, or for what has it."""
        extremes, directions = self.cues.extremes, self.cues.directions
        functions = " | ".join(literal(f"{one}({end.sql})") for end in ends for one in extremes)
        orders = " | ".join(literal(f" ORDER BY {end.sql} {one}") for end in ends for one in directions)
        found = [f"{one.sql} = (SELECT {ex}({one.column.sql}) FROM {one.table.sql})" for one in ends for ex in extremes]
        for compared in self._compared(needed) if ends else ():
            shown = [group for group in needed if group not in compared]
            # one of the numbers may be how many are asked for
            where = self._where(compared, lowest=self._num_given - bool(self.numbers))
            if not shown and not self._names():
                yield self._query(functions, where, "")
            for columns in self._columns(shown):
                yield self._query(columns, where, f'({orders}) " LIMIT " LIMIT')
                if not self.places and not self._num_given:
                    yield self._query(columns, f'" WHERE " ({_any_of(found)})', "")

    def _compared(self, needed: Sequence[Group]) -> Iterator[tuple[Group, ...]]:
        """Which of the needed columns are compared with the step's numbers: all ways."""
        groups = [group for group in needed if self.of_number(group)]
        for count in range(min(len(groups), self._num_given, MAX_CONDITIONS - len(self.places)) + 1):
            yield from combinations(groups, count)

    def _names(self) -> list[str]:
        fields = self.scope.fields
        return [one.sql for one in fields if one.column.name == one.table.naming and self.cues.asks_for(one.table)]

    def _columns(self, shown: Sequence[Group]) -> Iterator[str]:
        """Columns, all of those that are needed among them; what things are called, if things are asked for."""
        if names := self._names():
            rows = [[f"({_any_of(names)})", *map(_names, row)] for row in permutations(shown)]
            yield " | ".join(' ", " '.join(row) for row in rows)
            return
        if self.cues.function:
            return
        groups = shown or [self.scope.fields]
        known = [tuple(field for field in group if field.is_numeric or not self.cues.is_number) for group in groups]
        if shown and all(known):
            more = _any_of(field.sql for field in self._also_shown(shown))
            before, behind = (f'(({more}) ", "){_MANY}', f'(", " ({more})){_MANY}') if more else ("", "")
            rows = " | ".join(' ", " '.join(map(_names, row)) for row in permutations(known))
            yield f"{before} ({rows}) {behind}"
        elif known[0] and not shown:
            yield f'{_names(known[0])} (", " {_names(known[0])}){_MANY}'

    def _also_shown(self, shown: Sequence[Group]) -> Iterator[Field]:
        """Columns that may stand beside those: said in part or idly, or of things that have no name."""
        for field in self.scope.fields:
            is_unnamed = field.table.naming is None and self.cues.asks_for(field.table)
            is_new = not self.cues.is_number and not any(field in group for group in shown)
            if is_new and (is_unnamed or self.cues.says(field.column.name)):
                yield field

    def _functions(self, shown: Sequence[Group]) -> Iterator[str]:
        """One function of a column, the needed one if there is one; or the number of rows."""
        if self._names() or len(shown) > 1:
            return
        of = shown[0] if shown else self.scope.fields
        names = [self.cues.function] if self.cues.function else ["SUM", "AVG", "MIN", "MAX"]
        for name in names:
            fields = [field.sql for field in of if (field.is_numeric if name in ("SUM", "AVG") else field.is_ordered)]
            if fields:
                yield f'"{name}(" ({_any_of(fields)}) ")"'
        if self.cues.function == "AVG" or not self.cues.is_count:
            return
        if counted := [field.sql for field in of if self.cues.is_distinct or not field.is_numeric]:
            yield f'"COUNT(DISTINCT " ({_any_of(counted)}) ")"'
        if not shown:
            yield '"COUNT(*)"'

    def _order(self, fields: Sequence[Field] = (), limit: str = '(" LIMIT " LIMIT)?') -> str:
        names = _any_of([field.sql for field in fields or self.scope.fields])
        return f'" ORDER BY " ({names}) (" DESC" | " ASC") {limit}'

    def _where(self, compared: Sequence[Group], *, lowest: int) -> str:
        """Conditions on a value of each place and on the columns to compare; others if numbers or words remain."""
        needed = [*map(self._of_place, self.places), *(self.of_number(group) for group in compared)]
        numbers, texts = self.of_number(self.scope.fields), self._free_text()
        room = MAX_CONDITIONS - len(needed)
        most = min(self._num_given - len(compared), room) if numbers else 0
        joined = ' (" AND " | " OR ") ' if self._is_either() else ' " AND " '
        rows = {
            joined.join(row)
            for count in range(max(0, min(lowest - len(compared), most)), most + 1)
            for more in range(min(room - count, 1) + 1 if texts else 1)
            for row in permutations([*needed, *[numbers] * count, *[texts] * more])
        }
        conditions = (f'" WHERE " {row}' if row else '""' for row in sorted(rows))
        return f"({' | '.join(conditions)})"

    def _is_either(self) -> bool:
        """Two values of one column are either one or the other, whatever the step says."""
        columns = [{field.sql for field in self.scope.fields if place & {*field.literals}} for place in self.places]
        return self.cues.is_either or any(a & b for a, b in combinations(columns, 2))

    def _of_place(self, place: frozenset[str]) -> str:
        equals = _any_of([f" {sign} " for sign in self.cues.equals])
        known = [(field, sorted(place & {*field.literals})) for field in self.scope.fields]
        return f"({' | '.join(f'{literal(one.sql)} ({equals}) ({_any_of(found)})' for one, found in known if found)})"

    @property
    def _num_given(self) -> int:
        """Of numbers and dates that the query has to use."""
        return len(self.numbers) + len(self.dates)

    def of_number(self, fields: Sequence[Field]) -> str:
        """One of the columns compared with a number of the step, or with a date or year; empty if none can be."""
        signs = dict.fromkeys((*self.cues.signs, *self.cues.equals))
        said = _any_of(f" {sign} " for sign in signs)
        years = [number for number in self.numbers if _YEAR.fullmatch(number)]
        in_years = _any_of(_OF_YEAR[sign].format(year) for year in years for sign in signs if sign in _OF_YEAR)
        numeric = _any_of(field.sql for field in fields if field.is_numeric)
        dated = _any_of(field.sql for field in fields if self._has_dates(field))
        ways = [f"({numeric}) ({said}) NUMBER"] if numeric and self.numbers else []
        ways += [f"({dated}) ({said}) DATE"] if dated and self.dates else []
        ways += [f"({dated}) ({in_years})"] if dated and in_years else []
        return f"({' | '.join(ways)})" if ways else ""

    def _has_dates(self, field: Field) -> bool:
        """Whether a text column has dates, or one that the step names."""
        has_given = not {*self.dates}.isdisjoint(field.literals)
        return not field.is_numeric and (field.is_ordered or has_given)

    def _free_text(self) -> str:
        """Any column compared with words of the step."""
        texts = [field.sql for field in self.scope.fields if not field.is_numeric]
        equals = _any_of([f" {sign} " for sign in self.cues.equals])
        return f"(({_any_of(texts)}) ({equals}) QUOTED)" if self.is_free and texts else ""


def _names(group: Group) -> str:
    return f"({_any_of(field.sql for field in group)})"


def _any_of(texts: Iterable[str]) -> str:
    return " | ".join(literal(text) for text in texts)
