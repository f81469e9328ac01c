"""What the English words of a step say of its query: how to compare, to sort, to compute, and what to show."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from graphs.tools.schema import Schema, Table

SIGNS = ("=", ">", ">=", "<", "<=")
_LOW = "less|fewer|lower|smaller|shorter|lighter|cheaper|narrower|thinner|below|under"
_HIGH = "more|higher|larger|greater|bigger|longer|taller|heavier|dearer|wider|thicker|above|over"
_SAID = (
    # what denies a comparison comes first: it holds the words of the other one
    (">=", rf"\b(?:no|not) (?:{_LOW})\b|\bat least\b|\bminimum of\b|\bor (?:more|higher|above|over)\b"),
    ("<=", rf"\b(?:no|not) (?:{_HIGH})\b|\bat most\b|\bmaximum of\b|\bor (?:less|fewer|lower|below|under)\b"),
    ("<=", r"\bup to\b|\bnot exceed\w*"),
    ("<", rf"\b(?:{_LOW})\b"),
    (">", rf"\b(?:{_HIGH})\b|\bexceed\w*|\bbeyond\b|\bin excess of\b|\bupwards of\b"),
)
_EITHER_WAY = re.compile(r"\b(?:before|after|since|until|between|(?!other|rather)\w+er than)\b")
"""Of a comparison that may be meant either way: `older than 1990`, `older than 30`."""
_LOWEST = re.compile(r"\b(?:lowest|smallest|fewest|least|minimum|minimal|shortest|lightest|cheapest)\b")
_HIGHEST = re.compile(r"\b(?:highest|largest|biggest|most|greatest|maximum|maximal|longest|tallest|heaviest)\b")
_MEAN = re.compile(r"\baverage\b|\bmean(?= \w)")
_SUM = re.compile(r"\b(?:total|sum|summed|overall|combined|together|altogether|add up)\b")
_COUNTED = re.compile(
    r"\b(?:how (?:many|much|often)|number|count\w*|total|amount|times|altogether|in all|different|distinct|unique)\b"
)
_DISTINCT = re.compile(r"\b(?:different|distinct|unique)\b")
_ENGLISH = re.compile(r"\b(?:what|which|who|whose|when|where|how|list|show|find|give|name|tell|return|get|look)\b")
_HOW_MANY = re.compile(r"\bhow (?:many|much)\b")
_THINGS = r"which|who|list|return|show|name|find|give|get|see|looking for|would like|need|what are|select|print|display"
_BETWEEN = r"me|us|the|all|every|each|any|those|these|of|\d+|·"
_WHOSE = re.compile(r"(?:^|[,:] *)whose?\b|\bwhich ones?\b")
_EITHER = re.compile(r"\b(?:or|either|any of|oder)\b")
_NEGATED = re.compile(
    r"\b(?:no|not|other|except|without|apart|differ\w*|excluding|but|never|neither|nicht|kein\w*|außer|ohne)\b|n['’]t\b"
)
_DENIED = re.compile(r"\b(?:not|never)\b|n['’]t\b")
_SORTED = re.compile(
    r"\b(?:sort\w*|order(?:ed)? by|in order|rank\w*|(?:de|a)scending|(?:de|in)creasing|top|first|last|latest|newest)\b"
)
_NO_MENTION = frozenset("total sum average mean count number name title order type time".split())
_DIGITS = {word: str(i) for i, word in enumerate("two three four five six seven eight nine ten".split(), start=2)}
_MARKS = 0xE000
"""Characters for private use stand for columns that were found."""
_ENDINGS = (("ies", "(?:y|ies)"), ("y", "(?:y|ies)"), ("ses", "s(?:es?)?"), ("ss", "ss(?:es)?"), ("s", "s?"))
_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_LITERAL = re.compile(r"'(?:[^']|'')*'")
_COMPARISON = re.compile(r"(\S+) (>=|<=|!=|<>|=|>|<) -?\d")
_OF_ONE_COLUMN = re.compile(r"(\S+) = \S.* OR \1 = ", re.IGNORECASE)
_TABLES = re.compile(r"\b(?:FROM|JOIN) (\"[^\"]+\"|\w+)", re.IGNORECASE)


def with_digits(text: str) -> str:
    """The text with `2` for `two`, and so on."""
    return re.sub(rf"\b(?:{'|'.join(_DIGITS)})\b", lambda word: _DIGITS[word[0].lower()], text, flags=re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Cues:
    """What a step's words rule out. Words in no list rule out nothing."""

    signs: tuple[str, ...]
    """Comparisons of a number."""
    is_lowest: bool
    is_highest: bool
    is_end: bool
    """Whether that is more than a column's name, such as `highest_point`."""
    function: str | None
    """The only function that is asked for: AVG, or SUM, beside which things may be counted."""
    is_number: bool
    """How many: no text is asked for."""
    is_either: bool
    is_negated: bool
    is_sorted: bool
    """Of rows in an order."""
    said: frozenset[str]
    """The columns whose names the step says; of two in one, as in `population density`, the second."""
    words: str
    things: str
    """A pattern of what tables are called."""

    @classmethod
    def read(cls, step: str, schema: Schema) -> Self:
        """Of a step, with blanks in place of the values that it names."""
        words = with_digits(step.casefold())
        said, unsaid = _mentions(words, schema)
        rest, signs = words, set[str]()
        for sign, pattern in _SAID:
            rest, found = re.subn(pattern, " ", rest)
            if found:
                signs.add(sign)
        lowest, highest = bool(_LOWEST.search(rest)), bool(_HIGHEST.search(rest))
        is_number = bool(_HOW_MANY.search(words)) and not re.search(r"\b(?:which|who|whose|list)\b", words)
        function = None if lowest or highest else _function(words, schema)
        is_open = not signs or bool(_EITHER_WAY.search(rest) or _DENIED.search(rest))
        allowed = tuple(sign for sign in SIGNS if is_open or sign in signs or sign == "=")
        either, negated = bool(_EITHER.search(words)), bool(_NEGATED.search(words))
        things = "|".join(_spoken(table.name) for table in schema.tables)
        is_sorted, is_end = bool(_SORTED.search(unsaid)), bool(_LOWEST.search(unsaid) or _HIGHEST.search(unsaid))
        return cls(
            allowed, lowest, highest, is_end, function, is_number, either, negated, is_sorted, said, words, things
        )

    @property
    def equals(self) -> tuple[str, ...]:
        """Comparisons of a text."""
        return ("=", "!=") if self.is_negated else ("=",)

    @property
    def is_count(self) -> bool:
        """Whether rows or values may be counted."""
        return bool(_COUNTED.search(self.words)) or not _ENGLISH.search(self.words)

    @property
    def is_distinct(self) -> bool:
        """Whether numbers may be counted, each once."""
        return bool(_DISTINCT.search(self.words)) or not _ENGLISH.search(self.words)

    @property
    def directions(self) -> tuple[str, ...]:
        """Of an order."""
        return tuple("ASC" if one == "MIN" else "DESC" for one in self.extremes)

    @property
    def extremes(self) -> tuple[str, ...]:
        """Functions of a column's ends."""
        if not self.is_superlative:
            return ("MAX", "MIN")
        return ("MIN",) if self.is_lowest else ("MAX",)

    def mentioned(self, table: Table) -> frozenset[str]:
        """The columns whose names the step says."""
        return self.said & {column.name for column in table.columns}

    def says(self, column: str) -> bool:
        """Whether the step says all words of its name, in any order: `first and last name`."""
        return all(re.search(rf"\b{_spoken(word)}\b", self.words) for word in _said(column).split())

    @property
    def is_superlative(self) -> bool:
        """Whether the first or the last is asked for."""
        return self.is_lowest != self.is_highest

    def num_said(self, tables: Iterable[Table]) -> int:
        """How many names the step says: of the tables, or `items` of `order_items`, and of columns to use."""
        return sum(
            bool(re.search(rf"\b{_spoken(_said(table.name).split()[-1])}\b", self.words))
            + sum(self.needs(table, column.name) for column in table.columns)
            for table in tables
        )

    def needs(self, table: Table, column: str) -> bool:
        """Whether a query has to use the column, because the step says its name, and nothing else by it."""
        if column not in self.mentioned(table) or _said(column) in _NO_MENTION:
            return False
        return not re.fullmatch(self.things, _said(column))

    def end_of(self, table: Table) -> str | None:
        """The column whose first or last value is asked for: `the lowest price`, `the largest number of rooms`."""
        for column in sorted(table.columns, key=lambda column: -len(column.name)):
            ends = rf"(?:{_LOWEST.pattern}|{_HIGHEST.pattern})\s+(?:(?:number|count|amount) of\s+)?"
            if re.search(rf"{ends}{_spoken(column.name)}\b", self.words) and column.name in self.mentioned(table):
                return column.name
        return None

    def asks_for(self, table: Table) -> bool:
        """Whether the table's things are asked for, not what is known of them."""
        columns = "|".join(_spoken(column.name) for column in table.columns)
        thing = rf"{_spoken(table.name)}\b(?!['’]|\s+(?:{columns})\b)"
        asked = rf"\b(?:{_THINGS})(?:\s+(?:{_BETWEEN}))*\s+{thing}"
        return bool(_WHOSE.search(self.words) or re.search(asked, self.words))

    def doubts(self, query: str, schema: Schema) -> list[str]:
        """What a query does that the step's words rule out, and the columns that they name and it leaves out."""
        tables = _asked(query, schema)
        texts = {column.name for table in tables for column in table.columns if not column.is_numeric}
        texts -= {column.name for table in tables for column in table.columns if column.is_numeric}
        found = list(self._wrong(query))
        found += [f"{name} is no number" for name, _ in _COMPARISON.findall(query) if _bare(name) in texts]
        written = {_bare(word) for word in re.findall(r'"[^"]+"|[\w.]+', query)}
        for table in tables:
            names = [column.name for column in table.columns]
            found += [f"{one!r} was not used" for one in sorted(names) if self.needs(table, one) and one not in written]
        asked = [table.naming for table in tables if table.naming and self.asks_for(table)]
        if asked and _selected(query).isdisjoint(asked):
            found.append(f"{asked[0]!r} is asked for")
        if not self.num_said(tables):
            columns = " ".join(_said(column.name) for table in tables for column in table.columns)
            said = (table.name for table in schema.tables if self.num_said([table]))
            found += [f"{name!r} was not used" for name in said if not re.search(rf"\b{_spoken(name)}\b", columns)]
        return found

    def _wrong(self, query: str) -> Iterable[str]:
        folded = _LITERAL.sub("''", query).upper()
        wrong = [sign for _, sign in _COMPARISON.findall(query) if sign not in (*self.signs, "!=", "<>")]
        wrong += [one for one in ("ASC", "DESC") if one not in self.directions and re.search(rf" {one}\b", folded)]
        wrong += [one for one in ("MIN", "MAX") if one not in self.extremes and re.search(rf"\b{one}\(", folded)]
        wrong += ["COUNT"] if re.search(r"\bCOUNT\(", folded) and not self.is_count else []
        wrong += ["OR"] if " OR " in folded and not self.is_either and not _OF_ONE_COLUMN.search(query) else []
        yield from (f"{one} is not what the step says" for one in wrong)
        if self.is_superlative and self.is_end and not re.search(r"ORDER BY|MIN\(|MAX\(", folded):
            yield f"{' or '.join(self.extremes)} is missing"
        wanted = {None: (), "SUM": ("SUM(", "COUNT(")}.get(self.function, ("AVG(",))
        if wanted and not any(one in folded for one in wanted):
            yield f"{self.function} is missing"


def _function(words: str, schema: Schema) -> str | None:
    """The function that the words ask for, unless a column is called so."""
    names = " ".join(_said(name) for name in schema.names)
    for function, pattern in (("AVG", _MEAN), ("SUM", _SUM)):
        found = pattern.search(words)
        if found and found[0] not in names:
            return function
    return None


def _mentions(words: str, schema: Schema) -> tuple[frozenset[str], str]:
    """The columns whose names the words say, and the words with marks in place of those; a longer name goes first."""
    names = {column.name for table in schema.tables for column in table.columns}
    # a pattern keeps the beginning of its name
    likely = [name for name in names if _said(name)[:-3] in words]
    marks = {chr(_MARKS + i): name for i, name in enumerate(sorted(likely, key=lambda name: (-len(name), name)))}
    for mark, name in marks.items():
        words = re.sub(rf"(?<!\w){_spoken(name)}(?!\w)", mark, words)
    found = re.findall(r"([\ue000-\uf8ff])(?! [\ue000-\uf8ff])", words)
    return frozenset(marks[mark] for mark in found), words


def _asked(query: str, schema: Schema) -> list[Table]:
    names = {_bare(name).casefold() for name in _TABLES.findall(query)}
    return [table for table in schema.tables if table.name.casefold() in names]


def _selected(query: str) -> set[str]:
    """The columns that the query shows as they are."""
    shown = re.match(r"SELECT (?:DISTINCT )?(.*?) FROM ", query, re.IGNORECASE)
    return {_bare(name.strip()) for name in shown[1].split(",")} if shown else set()


def _bare(name: str) -> str:
    return name.rpartition(".")[2].strip('"')


def _spoken(name: str) -> str:
    """A pattern of a name as a sentence says it, of one or of many."""
    said = re.escape(_said(name))
    for ending, others in _ENDINGS:
        if said.endswith(ending):
            return said.removesuffix(ending) + others
    return f"{said}(?:e?s)?"


def _said(name: str) -> str:
    """A name as a sentence says it."""
    return _CAPITAL.sub(" ", name).replace("_", " ").casefold()
