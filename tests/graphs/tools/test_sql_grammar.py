"""The queries that can be written for a step: real names, linked values, the step's numbers."""

from pathlib import Path

import pytest

from graphs.tools.sql import SqlTool
from tests.graphs.grammar_proof import accepts

STEP = "How many books above 10 did Omar Haddad borrow? Only novel."
PLAIN = "How many are there?"
BOOK_LOANS = "books JOIN loans ON books.book_id = loans.book_id"
MORE = "books.price > 10"
JOIN = "FROM loans JOIN members ON loans.member_id = members.member_id"
THREE = f"{JOIN} JOIN books ON loans.book_id = books.book_id"


@pytest.mark.parametrize(
    ("step", "query"),
    [
        (PLAIN, "SELECT COUNT(*) FROM books"),
        (PLAIN, "SELECT COUNT(DISTINCT genre) FROM books"),
        ("Which is the cheapest?", "SELECT title FROM books WHERE price = (SELECT MIN(price) FROM books)"),
        ("What is the lowest price?", "SELECT MIN(price) FROM books"),
        ("Which books have the lowest price?", "SELECT title FROM books ORDER BY price ASC LIMIT 1"),
        ("Which 3 books have the lowest price?", "SELECT title FROM books ORDER BY price ASC LIMIT 3"),
        ("What units are above 10?", 'SELECT "group" FROM "order" WHERE "unit price" > 10'),
        ("What is cheapest?", f"SELECT books.title FROM {BOOK_LOANS} ORDER BY books.price ASC LIMIT 1"),
        ("What is the average price of a novel?", "SELECT AVG(price) FROM books WHERE genre = 'novel'"),
        ("Which books, each with its price?", "SELECT title, price FROM books"),
        ("Which books are a novel or not above 10?", "SELECT title FROM books WHERE price <= 10 OR genre != 'novel'"),
        ("Which books are a novel, from 10 on?", "SELECT title FROM books WHERE genre = 'novel' AND price >= 10"),
        ("How many did Omar Haddad borrow?", f"SELECT COUNT(*) {JOIN} WHERE members.name = 'Omar Haddad'"),
        (STEP, f"SELECT COUNT(*) {THREE} WHERE members.name = 'Omar Haddad' AND books.genre = 'novel' AND {MORE}"),
    ],
)
def test_a_query_over_the_schema_can_be_written(step: str, query: str, library: Path) -> None:
    assert accepts(SqlTool(library).constraint(step).value, query)


NOVEL = "How many are a novel?"


@pytest.mark.parametrize(
    ("step", "query"),
    [
        (PLAIN, "SELECT name FROM books"),
        (PLAIN, "SELECT * FROM books"),
        (PLAIN, "SELECT COUNT(*) FROM nowhere"),
        (PLAIN, "SELECT SUM(title) FROM books"),
        (PLAIN, "SELECT COUNT(*) FROM books; DROP TABLE books"),
        (PLAIN, "SELECT COUNT(members.name) FROM members JOIN books ON members.member_id = books.book_id"),
        ("How many are above 10?", "SELECT COUNT(*) FROM books WHERE price > 11"),
        (NOVEL, "SELECT COUNT(*) FROM books WHERE title = 'Dune'"),
        (NOVEL, "SELECT COUNT(*) FROM books WHERE genre = 'poetry'"),
        (NOVEL, "SELECT COUNT(*) FROM books WHERE genre = 'novel' OR 1 = 1"),
        (PLAIN, "DELETE FROM books"),
        (PLAIN, "select count(*) from books"),
        (PLAIN, ""),
    ],
)
def test_nothing_else_can_be_written(step: str, query: str, library: Path) -> None:
    assert not accepts(SqlTool(library).constraint(step).value, query)


@pytest.mark.parametrize(
    ("step", "query"),
    [
        (NOVEL, "SELECT COUNT(*) FROM books"),
        (NOVEL, "SELECT COUNT(*) FROM books WHERE genre != 'novel'"),
        (NOVEL, "SELECT title FROM books WHERE genre = 'novel'"),
        ("How many are a novel or above 10?", "SELECT COUNT(*) FROM books WHERE genre = 'novel'"),
        ("How many are a novel above 10?", "SELECT COUNT(*) FROM books WHERE genre = 'novel' OR price > 10"),
        ("How many are above 10?", "SELECT COUNT(*) FROM books WHERE price < 10"),
        ("How many books are there?", "SELECT COUNT(*) FROM members"),
        ("Which books have the lowest price?", "SELECT title FROM books ORDER BY price DESC LIMIT 1"),
        ("Which books have the lowest price?", "SELECT title FROM books"),
        ("Which books have the lowest price?", "SELECT price FROM books ORDER BY price ASC LIMIT 1"),
        ("Which books, each with its price?", "SELECT title FROM books"),
        ("Which books are there?", "SELECT COUNT(*) FROM books"),
        ("What is the average price?", "SELECT price FROM books"),
        ("What is the average price?", "SELECT MAX(price) FROM books"),
        ("Dune or Emma, which price?", "SELECT price FROM books WHERE title = 'Dune'"),
    ],
)
def test_a_query_goes_the_way_of_the_steps_words(step: str, query: str, library: Path) -> None:
    assert not accepts(SqlTool(library).constraint(step).value, query)


def test_two_values_of_one_column_may_be_one_or_the_other(library: Path) -> None:
    query = "SELECT price FROM books WHERE title = 'Dune' OR title = 'Emma'"
    assert accepts(SqlTool(library).constraint("What are the prices of Dune and Emma?").value, query)


@pytest.mark.parametrize(
    ("literal", "is_allowed"),
    [
        ("'Omr Hadad'", True),
        ("'Hadad''s'", True),
        ("'Omar'", False),
        ("''", False),
        ("' '", False),
        ("'x' OR 1", False),
    ],
)
def test_where_nothing_is_linked_the_steps_words_may_be_compared(literal: str, is_allowed: bool, library: Path) -> None:
    grammar = SqlTool(library).constraint("How many did Omr Hadad's friend borrow?").value
    assert accepts(grammar, f"SELECT COUNT(*) FROM members WHERE name = {literal}") is is_allowed
