"""A small database, and a sink that remembers."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.graphs.scripted_client import EventList

LIBRARY = """
BEGIN;
CREATE TABLE members (member_id INTEGER PRIMARY KEY, name TEXT, city TEXT);
CREATE TABLE books (book_id INTEGER PRIMARY KEY, title TEXT, genre TEXT, price REAL);
CREATE TABLE loans (
    loan_id INTEGER PRIMARY KEY,
    member_id INTEGER REFERENCES members,
    book_id INTEGER REFERENCES books (book_id)
);
CREATE TABLE "order" ("group" TEXT, "unit price" REAL, note);
INSERT INTO members VALUES (1, 'Ana Ruiz', 'Lima'), (2, 'Omar Haddad', 'Oslo'), (3, 'Sean O''Hara', 'Cork');
INSERT INTO books VALUES (1, 'Dune', 'novel', 12.5), (2, 'Emma', 'novel', 8), (3, 'Odes', 'poetry', NULL);
INSERT INTO loans VALUES (1, 2, 1), (2, 2, 2), (3, 1, 1), (4, 2, 3);
INSERT INTO "order" VALUES ('a', 0.1, x'00ff'), ('b', 0.2, NULL);
COMMIT;
"""


@pytest.fixture
def sink() -> EventList:
    return EventList()


@pytest.fixture
def library(tmp_path: Path) -> Path:
    path = tmp_path / "library.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(LIBRARY)
    return path
