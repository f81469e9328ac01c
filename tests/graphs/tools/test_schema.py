"""What is read from a database: names, kinds, foreign keys, and the values that a text names."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from graphs.tools.schema import (
    Column,
    ForeignKey,
    Link,
    Schema,
    Table,
    find_links,
    is_unique_in,
    quoted,
    read_schema,
    values_of,
    with_names,
)


@pytest.fixture
def connection(library: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(library)) as connection:
        yield connection


def links_in(connection: sqlite3.Connection, text: str) -> tuple[Link, ...]:
    values, is_unique = partial(values_of, connection), partial(is_unique_in, connection)
    return find_links(values, is_unique, read_schema(connection), text)


def never_twice(table: Table, column: Column) -> bool:
    return True


def test_tables_are_written_in_one_line(connection: sqlite3.Connection) -> None:
    assert str(read_schema(connection)) == (
        "Tables: members(member_id, name, city); books(book_id, title, genre, price); "
        "loans(loan_id, member_id, book_id); order(group, unit price, note)"
    )


def test_names_that_need_it_are_quoted(connection: sqlite3.Connection) -> None:
    order = read_schema(connection).tables[3]
    assert order.sql == '"order"'
    assert [(column.sql, column.is_numeric) for column in order.columns] == [
        ('"group"', False),
        ('"unit price"', True),
        ("note", False),
    ]


def test_what_things_are_called_is_the_first_text_that_none_shares(connection: sqlite3.Connection) -> None:
    schema = with_names(read_schema(connection), partial(is_unique_in, connection))
    assert [table.naming for table in schema.tables] == ["name", "title", None, "group"]


@pytest.mark.parametrize(
    ("columns", "naming"),
    [
        ({"code": True, "name": True}, "name"),
        ({"customer_id": True, "PersonID": True, "name": True}, "name"),
        ({"category": False, "model": True}, "model"),
        ({"name": False, "address": True}, None),
        ({"first_name": True, "last_name": True}, None),
    ],
)
def test_things_with_shared_or_several_names_are_not_called_by_another_text(
    columns: dict[str, bool], naming: str | None
) -> None:
    things = Table("things", "things", tuple(Column(name, name, is_numeric=False) for name in columns))
    (named,) = with_names(Schema((things,), ()), lambda _, column: columns[column.name]).tables
    assert named.naming == naming


def test_what_is_there_twice_is_linked_in_the_plural_too(connection: sqlite3.Connection) -> None:
    (link,) = links_in(connection, "Which novels?")
    assert (link.value, link.start, link.end) == ("novel", 6, 12)


def test_a_little_word_is_a_value_only_as_it_is_written() -> None:
    schema = Schema((Table("shops", "shops", (Column("state", "state", is_numeric=False),)),), ())
    links = find_links(lambda table, column: ["IN", "OR", "TX"], never_twice, schema, "Which shops are in tx or IN?")
    assert [link.value for link in links] == ["IN", "TX"]


def test_a_foreign_key_without_a_column_points_to_the_primary_key(connection: sqlite3.Connection) -> None:
    assert set(read_schema(connection).foreign_keys) == {
        ForeignKey("loans", "member_id", "members", "member_id"),
        ForeignKey("loans", "book_id", "books", "book_id"),
    }


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("What did omar haddad borrow?", ["Omar Haddad"]),
        ("Dune or Emma, novel", ["Dune", "Emma", "novel"]),
        ("Sean O'Hara", ["Sean O'Hara"]),
        ("Dunes and Omar Haddadi", []),
        ("A novelty, and a b", ["a", "b"]),
        ("A B", []),
    ],
)
def test_values_are_linked_as_whole_words(connection: sqlite3.Connection, text: str, values: list[str]) -> None:
    links = links_in(connection, text)
    assert [link.value for link in links] == values
    assert all(text[link.start : link.end].lower() == link.value.lower() for link in links)


def test_a_quotation_mark_is_doubled() -> None:
    assert quoted("Sean O'Hara") == "'Sean O''Hara'"


def test_a_value_with_its_tables_name_stands_where_the_longer_value_stands() -> None:
    river = Table("river", "river", (Column("name", "name", is_numeric=False),))
    place = Table("place", "place", (Column("lowest", "lowest", is_numeric=False),))
    values = {"name": ["Colorado", "Ohio"], "lowest": ["Colorado River"]}
    found = find_links(
        lambda _, column: values[column.name],
        never_twice,
        Schema((river, place), ()),
        "The Colorado River, Ohio river",
    )
    assert [(link.value, link.start, link.end) for link in found] == [
        ("Colorado", 4, 18),
        ("Ohio", 20, 24),
        ("Colorado River", 4, 18),
    ]
