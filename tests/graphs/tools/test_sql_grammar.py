"""The queries that can be written for a step: real names, linked values, the step's numbers."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from graphs.tools.sql import SqlTool
from tests.graphs.grammar_proof import accepts

STEP = "How many books above 10 did Omar Haddad borrow? Only novel."
PLAIN = "How many are there?"
BOOK_LOANS = "books JOIN loans ON books.book_id = loans.book_id"
MORE = "books.price > 10"
JOIN = "FROM loans JOIN members ON loans.member_id = members.member_id"
SHOP = """
CREATE TABLE regions (code TEXT PRIMARY KEY, name TEXT, size INTEGER);
CREATE TABLE clients (client_id INTEGER, first_name TEXT, last_name TEXT, region TEXT REFERENCES regions, size INTEGER);
CREATE TABLE order_items (item_id INTEGER, order_id INTEGER, weight REAL, price REAL, ordered_date TEXT);
CREATE TABLE orders (order_id INTEGER, status TEXT);
CREATE TABLE peaks (highest_point TEXT, highest_elevation INTEGER, country TEXT);
INSERT INTO peaks VALUES ('Elbert', 4399, 'US'), ('Guadalupe', 2667, 'Texas');
INSERT INTO regions VALUES ('N', 'North', 5), ('S', 'South', 7);
INSERT INTO clients VALUES (1, 'Ana', 'Ruiz', 'N', 3), (2, 'Omar', 'Haddad', 'S', 4);
INSERT INTO order_items VALUES (1, 1, 2.5, 10, '2024-01-31'), (2, 1, 0.5, 4, '2024-02-01');
INSERT INTO orders VALUES (1, 'open'), (2, 'open');
"""
CLIENTS = "FROM clients JOIN regions ON clients.region = regions.code WHERE regions.name = 'North'"
THREE = f"{JOIN} JOIN books ON loans.book_id = books.book_id"


@pytest.mark.parametrize(
    ("step", "query"),
    [
        (PLAIN, "SELECT COUNT(*) FROM books"),
        (PLAIN, "SELECT COUNT(DISTINCT genre) FROM books"),
        ("Which is the cheapest?", "SELECT title FROM books WHERE price = (SELECT MIN(price) FROM books)"),
        ("What is the lowest price?", "SELECT MIN(price) FROM books"),
        ("How many genres have the books?", "SELECT COUNT(DISTINCT genre) FROM books"),
        ("How many different prices have the books?", "SELECT COUNT(DISTINCT price) FROM books"),
        ("Which books have the lowest price?", "SELECT title FROM books ORDER BY price ASC LIMIT 1"),
        ("Which 3 books have the lowest price?", "SELECT title FROM books ORDER BY price ASC LIMIT 3"),
        ("What units are above 10?", 'SELECT "group" FROM "order" WHERE "unit price" > 10'),
        ("What is cheapest?", f"SELECT books.title FROM {BOOK_LOANS} ORDER BY books.price ASC LIMIT 1"),
        ("What is the average price of a novel?", "SELECT AVG(price) FROM books WHERE genre = 'novel'"),
        ("Which books, each with its price?", "SELECT title, price FROM books"),
        ("Which books are a novel or not above 10?", "SELECT title FROM books WHERE price <= 10 OR genre != 'novel'"),
        ("Which books are a novel, from 10 on?", "SELECT title FROM books WHERE genre = 'novel' AND price >= 10"),
        ("How many did Omar Haddad borrow?", f"SELECT COUNT(*) {JOIN} WHERE members.name = 'Omar Haddad'"),
        ("What are the title and price of the novel?", "SELECT title, price FROM books WHERE genre = 'novel'"),
        ("Which books do not cost more than 10?", "SELECT title FROM books WHERE price <= 10"),
        ("Show the 2 dearest books.", "SELECT title FROM books ORDER BY price DESC LIMIT 2"),
        ("Show the two dearest books.", "SELECT title FROM books ORDER BY price DESC LIMIT 2"),
        ("Show the top 2 books by price.", "SELECT title FROM books ORDER BY price DESC LIMIT 2"),
        ("List the books, sorted by price.", "SELECT title FROM books ORDER BY price ASC"),
        ("Wie viele Titel sind nicht novel?", "SELECT COUNT(*) FROM books WHERE genre != 'novel'"),
        (STEP, f"SELECT COUNT(*) {THREE} WHERE members.name = 'Omar Haddad' AND books.genre = 'novel' AND {MORE}"),
    ],
)
def test_a_query_over_the_schema_can_be_written(step: str, query: str, library: Path) -> None:
    assert accepts(SqlTool(library).constraint(step).value, query)


@pytest.mark.parametrize(
    ("step", "query"),
    [
        ("Which clients are there?", "SELECT first_name, last_name FROM clients"),
        ("What are the first and last names of the clients?", "SELECT first_name, last_name FROM clients"),
        ("Which clients have which size?", "SELECT client_id, size FROM clients"),
        ("What is the size of the clients in North?", f"SELECT clients.size {CLIENTS}"),
        ("What is the weight of the dearest?", "SELECT weight FROM order_items ORDER BY price DESC LIMIT 1"),
        (
            "What is the weight of the item of the highest rank?",
            "SELECT weight FROM order_items ORDER BY price DESC LIMIT 1",
        ),
        (
            "How many items are there after 2024-01-31?",
            "SELECT COUNT(*) FROM order_items WHERE ordered_date > '2024-01-31'",
        ),
        (
            "How many items are there after 2023-12-01?",
            "SELECT COUNT(*) FROM order_items WHERE ordered_date > '2023-12-01'",
        ),
        (
            "How many items were there on 2024-01-31?",
            "SELECT COUNT(*) FROM order_items WHERE ordered_date = '2024-01-31'",
        ),
        ("How many items were there in 2024?", "SELECT COUNT(*) FROM order_items WHERE ordered_date LIKE '2024%'"),
        ("How many items came after 2023?", "SELECT COUNT(*) FROM order_items WHERE ordered_date > '2023-12-31'"),
        ("What is the highest point in Texas?", "SELECT highest_point FROM peaks WHERE country = 'Texas'"),
        ("What is the highest elevation?", "SELECT MAX(highest_elevation) FROM peaks"),
        ("How many items are in order 1?", "SELECT COUNT(*) FROM order_items WHERE order_id = 1"),
    ],
)
def test_dates_shared_names_and_names_of_two_parts(step: str, query: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(path := tmp_path / "shop.db")) as connection:
        connection.executescript(SHOP)
    assert accepts(SqlTool(path).constraint(step).value, query)


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
        ("What is the price of Dune?", "SELECT COUNT(DISTINCT price) FROM books WHERE title = 'Dune'"),
        ("How many price has Dune?", "SELECT COUNT(DISTINCT price) FROM books WHERE title = 'Dune'"),
        ("When was Dune written?", "SELECT COUNT(*) FROM books WHERE title = 'Dune'"),
        ("Dune or Emma, which price?", "SELECT price FROM books WHERE title = 'Dune'"),
        ("Show the 2 dearest books.", "SELECT title FROM books"),
        ("Show the top 2 books by price.", "SELECT title FROM books ORDER BY price DESC"),
        ("Which books are above 2?", "SELECT title FROM books ORDER BY price DESC LIMIT 2"),
        ("What is the price of Dune?", "SELECT genre FROM books WHERE title = 'Dune' ORDER BY price DESC"),
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
