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
from graphs.tools.schema import Link, Schema, quoted
from graphs.tools.sql_cues import Cues
from graphs.tools.sql_scopes import Field, Scope, scopes_of

MAX_SCOPES = 40
MAX_CONDITIONS = 3
MAX_NEEDED = 3
"""Columns that must be used; of more, none must."""
_WORD = re.compile(r"\s+|\w+|[^\w\s]")
_MANY = "{0,3}"


def query_grammar(schema: Schema, links: Sequence[Link], step: str) -> str:
    """A Lark grammar of SELECT queries over one table, or over tables joined along declared foreign keys.

    Text is compared with linked values of that column only; if nothing is linked, with words of the step. Numbers are
    those of the step that are no part of a linked value. Each is one terminal, because the lexer is greedy.
    """
    rest = without_links(step, links)
    numbers = tuple(dict.fromkeys(plain(number) for number in written_numbers(rest)))
    cues = Cues.read(rest, schema)
    scopes, places = _covering(list(scopes_of(schema, links)), _places(schema, links))
    most = max((cues.num_said(scope.tables) for scope in scopes if len(scope.tables) == 1), default=1)
    scopes = [scope for scope in scopes if cues.num_said(scope.tables) >= most] or scopes
    asked = [_Asked(scope, cues, places, numbers, is_free=not links) for scope in scopes[:MAX_SCOPES]]
    queries = [query for one in asked for query in one.queries()] or [query for one in asked for query in one.loose()]
    lines = ["start: QUERY", f"QUERY: {' | '.join(f'QUERY{i}' for i in range(len(queries)))}"]
    lines += [f"QUERY{i}: {query}" for i, query in enumerate(queries)]
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


def _places(schema: Schema, links: Sequence[Link]) -> list[frozenset[str]]:
    """The literals of each place where the step names a value; what stands within a longer value's place is none."""
    values = [link for link in links if link.value.casefold() not in schema.names]
    spans = sorted({(link.start, link.end) for link in values})
    outer = [
        (start, end)
        for start, end in spans
        if not any((s, e) != (start, end) and s <= start and end <= e for s, e in spans)
    ]
    return [frozenset(quoted(one.value) for one in values if (one.start, one.end) == span) for span in outer]


def _covering(scopes: Sequence[Scope], places: Sequence[frozenset[str]]) -> tuple[list[Scope], list[frozenset[str]]]:
    """The scopes with a value of every place, and the places; without such, those with one, and all as one place."""
    every = [scope for scope in scopes if not any(place.isdisjoint(scope.literals) for place in places)]
    if every and len(places) <= MAX_CONDITIONS:
        return every, list(places)
    either = frozenset[str]().union(*places)
    return [scope for scope in scopes if not either.isdisjoint(scope.literals)], [either]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked of one FROM clause."""

    scope: Scope
    cues: Cues
    places: Sequence[frozenset[str]]
    numbers: Sequence[str]
    is_free: bool
    """With any words of the step as values, because it names none."""

    def queries(self) -> Iterator[str]:
        """All that use what the step names: a column is shown, compared with a number, or it decides the order."""
        needed = [field for field in self.scope.fields if self.cues.needs(field.table, field.column.name)]
        needed = [field for field in needed if not any(place & {*field.literals} for place in self.places)]
        if len(needed) > MAX_NEEDED:
            needed = []
        if self.cues.is_superlative:
            for ends in self._ends(needed):
                yield from self._of_end(ends, [field for field in needed if field not in ends])
            return
        for compared in self._compared(needed):
            shown = [field for field in needed if field not in compared]
            where = self._where(compared, lowest=len(self.numbers))
            yield from (self._query(columns, where, self._order()) for columns in self._columns(shown))
            if functions := " | ".join(self._functions(shown)):
                yield self._query(functions, where, "")

    def loose(self) -> Iterator[str]:
        """All that use a value that the step names."""
        names = f"({_any_of([field.sql for field in self.scope.fields])})"
        yield self._query(f'{names} (", " {names}){_MANY} | "COUNT(*)"', self._where((), lowest=0), self._order())

    def _query(self, select: str, where: str, order: str) -> str:
        return f'"SELECT " ({select}) {literal(f" FROM {self.scope.from_clause}")} {where} {order}'

    def _ends(self, needed: Sequence[Field]) -> list[list[Field]]:
        """The columns of whose first or last value the step speaks: each of those that it names, or any."""
        named = [field for field in self.scope.fields if self.cues.end_of(field.table) == field.column.name]
        said = named or [field for field in needed if field.is_ordered]
        return [[field] for field in said] or [[field for field in self.scope.fields if field.is_ordered]]

    def _of_end(self, ends: Sequence[Field], needed: Sequence[Field]) -> Iterator[str]:
        """Queries for the first or last value of one of the columns, or for what has it."""
        extremes, directions = self.cues.extremes, self.cues.directions
        functions = " | ".join(literal(f"{one}({end.sql})") for end in ends for one in extremes)
        orders = " | ".join(literal(f" ORDER BY {end.sql} {one}") for end in ends for one in directions)
        found = [f"{one.sql} = (SELECT {ex}({one.column.sql}) FROM {one.table.sql})" for one in ends for ex in extremes]
        for compared in self._compared(needed) if ends else ():
            shown = [field for field in needed if field not in compared]
            # one of the numbers may be how many are asked for
            where = self._where(compared, lowest=max(0, len(self.numbers) - 1))
            if not shown and not self._names():
                yield self._query(functions, where, "")
            for columns in self._columns(shown):
                yield self._query(columns, where, f'({orders}) " LIMIT " LIMIT')
                if not self.places and not self.numbers:
                    yield self._query(columns, f'" WHERE " ({_any_of(found)})', "")

    def _compared(self, needed: Sequence[Field]) -> Iterator[tuple[Field, ...]]:
        """Which of the needed columns are compared with the step's numbers: all ways."""
        numeric = [field for field in needed if field.is_numeric]
        for count in range(min(len(numeric), len(self.numbers), MAX_CONDITIONS - len(self.places)) + 1):
            yield from combinations(numeric, count)

    def _names(self) -> list[str]:
        fields = self.scope.fields
        return [one.sql for one in fields if one.column.name == one.table.naming and self.cues.asks_for(one.table)]

    def _columns(self, shown: Sequence[Field]) -> Iterator[str]:
        """Columns, all of those that are needed among them; what things are called, if things are asked for."""
        if names := self._names():
            rows = [[f"({_any_of(names)})", *map(_name, row)] for row in permutations(shown)]
            yield " | ".join(' ", " '.join(row) for row in rows)
            return
        if self.cues.function:
            return
        known = [field for field in shown or self.scope.fields if field.is_numeric or not self.cues.is_number]
        if shown and len(known) == len(shown):
            yield " | ".join(' ", " '.join(map(_name, row)) for row in permutations(shown))
        elif not shown and known:
            columns = f"({_any_of([field.sql for field in known])})"
            yield f'{columns} (", " {columns}){_MANY}'

    def _functions(self, shown: Sequence[Field]) -> Iterator[str]:
        """One function of a column, the needed one if there is one; or the number of rows."""
        if self._names() or len(shown) > 1:
            return
        of = shown or self.scope.fields
        names = [self.cues.function] if self.cues.function else ["SUM", "AVG", "MIN", "MAX"]
        for name in names:
            fields = [field.sql for field in of if (field.is_numeric if name in ("SUM", "AVG") else field.is_ordered)]
            if fields:
                yield f'"{name}(" ({_any_of(fields)}) ")"'
        if self.cues.function != "AVG":
            yield f'"COUNT(DISTINCT " ({_any_of([field.sql for field in of])}) ")"'
            if not shown:
                yield '"COUNT(*)"'

    def _order(self) -> str:
        names = _any_of([field.sql for field in self.scope.fields])
        return f'(" ORDER BY " ({names}) (" DESC" | " ASC") (" LIMIT " LIMIT)?)?'

    def _where(self, compared: Sequence[Field], *, lowest: int) -> str:
        """Conditions on a value of each place and on the columns to compare; others if numbers or words remain."""
        needed = [*map(self._of_place, self.places), *(self._of_number([field]) for field in compared)]
        numbers, texts = self._free_number(), self._free_text()
        room = MAX_CONDITIONS - len(needed)
        most = min(len(self.numbers) - len(compared), room) if numbers else 0
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

    def _of_number(self, fields: Iterable[Field]) -> str:
        signs = dict.fromkeys((*self.cues.signs, *self.cues.equals))
        return f"({_any_of([field.sql for field in fields])}) ({_any_of([f' {sign} ' for sign in signs])}) NUMBER"

    def _free_number(self) -> str:
        """Any column compared with a number of the step."""
        numeric = [field for field in self.scope.fields if field.is_numeric]
        return f"({self._of_number(numeric)})" if self.numbers and numeric else ""

    def _free_text(self) -> str:
        """Any column compared with words of the step."""
        texts = [field.sql for field in self.scope.fields if not field.is_numeric]
        equals = _any_of([f" {sign} " for sign in self.cues.equals])
        return f"(({_any_of(texts)}) ({equals}) QUOTED)" if self.is_free and texts else ""


def _name(field: Field) -> str:
    return literal(field.sql)


def _any_of(texts: Iterable[str]) -> str:
    return " | ".join(literal(text) for text in texts)
