"""What is read from a database: names, kinds, foreign keys, and the values that a text names."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from graphs.tools.schema import ForeignKey, find_links, quoted, read_schema, values_of


@pytest.fixture
def connection(library: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(library)) as connection:
        yield connection


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
    links = find_links(partial(values_of, connection), read_schema(connection), text)
    assert [link.value for link in links] == values
    assert all(text[link.start : link.end].lower() == link.value.lower() for link in links)


def test_a_quotation_mark_is_doubled() -> None:
    assert quoted("Sean O'Hara") == "'Sean O''Hara'"
