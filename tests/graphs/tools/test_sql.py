"""Queries read, and do nothing else; a result says what it may have missed."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from graphs.errors import DatabaseError, ToolError
from graphs.tools.sql import SqlTool


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("SELECT COUNT(*) FROM loans", "4"),
        ("SELECT title FROM books ORDER BY title", "Dune, Emma, Odes"),
        ("SELECT price FROM books WHERE price > 1", "12.5, 8"),
        ('SELECT SUM("unit price") FROM "order"', "0.3"),
        ("SELECT title, price FROM books WHERE price > 1", "title | price\nDune | 12.5\nEmma | 8"),
        ('SELECT note FROM "order" WHERE note IS NOT NULL', "(2 bytes)"),
    ],
)
async def test_rows_are_plain_text(query: str, text: str, library: Path) -> None:
    result = await SqlTool(library).run(query, "1")
    assert result.text == text


async def test_the_rows_are_kept_as_data(library: Path) -> None:
    result = await SqlTool(library).run("SELECT title, price FROM books ORDER BY book_id LIMIT 1", "")
    assert result.data == {"columns": ["title", "price"], "rows": [["Dune", 12.5]]}
    assert result.warnings == ()


def test_rows_can_be_had_without_a_step(library: Path) -> None:
    assert SqlTool(library).rows("SELECT title FROM books ORDER BY title") == [["Dune"], ["Emma"], ["Odes"]]
    for query in ("DELETE FROM books", "SELECT nothing FROM books"):
        with pytest.raises(ToolError):
            SqlTool(library).rows(query)


@pytest.mark.parametrize(
    ("text", "is_recognised"),
    [
        ("What is the price of dune?", True),
        ("In which city does Omar Haddad live?", True),
        ("Which members borrowed Emma?", True),
        ("Dune is a desert.", None),
        ("How many books are there?", None),
        ("How much rent is that in 12 months?", False),
    ],
)
def test_a_text_that_names_a_value_and_a_column_is_recognised(
    text: str, is_recognised: bool | None, library: Path
) -> None:
    assert SqlTool(library).recognises(text) is is_recognised


def test_nothing_can_be_said_of_a_database_that_has_gone(library: Path) -> None:
    tool = SqlTool(library)
    library.unlink()
    assert tool.recognises("What is the price of Dune?") is None


@pytest.mark.parametrize(
    ("step", "query", "warnings"),
    [
        ("Omar Haddad?", "SELECT city FROM members WHERE name = 'Omar Haddad'", ()),
        ("Omar Haddad?", "SELECT COUNT(*) FROM members", ("'Omar Haddad' was not used",)),
        (
            "Omar Haddad?",
            "SELECT COUNT(*) FROM members WHERE city = 'Omar Haddad'",
            ("'Omar Haddad' is no value of city",),
        ),
        ("Omr?", "SELECT COUNT(*) FROM members WHERE name = 'Omr'", ("'Omr' is no value that the step names",)),
        ("HT958?", "SELECT COUNT(*) FROM books WHERE title = 'HT958'", ("'HT958' is no value that the step names",)),
        (
            "Which novel?",
            "SELECT genre FROM books WHERE genre = 'novel'",
            ("the query asks for what it compares with",),
        ),
        (
            "As dear as Dune?",
            "SELECT title FROM books WHERE price >= (SELECT price FROM books WHERE title = 'Dune')",
            (),
        ),
        ("How many in 2023?", "SELECT COUNT(*) FROM members WHERE city LIKE '2023%'", ()),
        ("After 2023?", "SELECT COUNT(*) FROM members WHERE city > '2023-12-31'", ()),
        (
            "After 2023?",
            "SELECT COUNT(*) FROM members WHERE city > '2022-12-31'",
            ("'2022-12-31' is no value that the step names", "2023 was not used"),
        ),
        ("The two dearest?", "SELECT title FROM books ORDER BY price DESC LIMIT 2", ()),
        ("Above 10?", "SELECT title FROM books WHERE price > 8", ("10 was not used", "8 is not in the step")),
        ("Price of Odes?", "SELECT price FROM books WHERE title = 'Odes'", ("a value is missing (NULL)",)),
    ],
)
async def test_doubts_are_warnings(step: str, query: str, warnings: tuple[str, ...], library: Path) -> None:
    assert (await SqlTool(library).run(query, step)).warnings == warnings


async def test_more_rows_than_allowed_are_cut_with_a_warning(library: Path) -> None:
    result = await SqlTool(library, max_rows=2).run("SELECT title FROM books ORDER BY title", "")
    assert (result.text, result.warnings) == ("Dune, Emma", ("only the first 2 rows are shown",))


async def test_no_row_is_no_result(library: Path) -> None:
    with pytest.raises(ToolError, match="no row matches"):
        await SqlTool(library).run("SELECT title FROM books WHERE price > 99", "99")


@pytest.mark.parametrize(
    "query",
    [
        "ATTACH 'other.db' AS other",
        "PRAGMA writable_schema = 1",
        "DELETE FROM books",
        "INSERT INTO books VALUES (9, 'x', 'y', 1)",
        "CREATE TABLE t (c)",
        "VACUUM INTO 'copy.db'",
        "BEGIN",
        "EXPLAIN SELECT 1",
        "WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT COUNT(*) FROM r",
        "SELECT * FROM (WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT n FROM r)",
        "SELECT sql FROM sqlite_master",
        "SELECT * FROM pragma_table_info('books')",
        "SELECT * FROM json_each('[1]')",
        "SELECT load_extension('x')",
        "SELECT zeroblob(1000000000)",
        "SELECT printf('%999999999d', 1)",
        "SELECT randomblob(9)",
        "SELECT 1; DELETE FROM books",
        "SELECT title FROM books WHERE",
        "SELECT \x00",
        "",
    ],
)
async def test_an_attack_is_refused_and_changes_nothing(query: str, library: Path) -> None:
    before = library.read_bytes()
    with pytest.raises(ToolError):
        await SqlTool(library).run(query, "")
    assert library.read_bytes() == before
    assert [path.name for path in library.parent.iterdir()] == [library.name]


async def test_a_query_without_end_is_stopped(library: Path) -> None:
    with closing(sqlite3.connect(library)) as connection:
        connection.executemany("INSERT INTO loans VALUES (?, 1, 1)", [(k,) for k in range(100, 400)])
        connection.commit()
    started = time.perf_counter()
    with pytest.raises(ToolError, match=r"longer than 0\.2 s"):
        await SqlTool(library, max_seconds=0.2).run("SELECT COUNT(*) FROM loans a, loans b, loans c, loans d", "")
    assert time.perf_counter() - started < 5


async def test_a_result_has_a_bounded_length(library: Path) -> None:
    with closing(sqlite3.connect(library)) as connection:
        connection.execute("UPDATE books SET title = ?", ("x" * 5000,))
        connection.commit()
    with pytest.raises(ToolError, match="4000 are allowed"):
        await SqlTool(library).run("SELECT title FROM books", "")


def test_a_database_that_cannot_be_read_names_its_setting(tmp_path: Path) -> None:
    broken, empty, missing = tmp_path / "broken.db", tmp_path / "empty.db", tmp_path / "missing.db"
    broken.write_bytes(b"not a database at all" * 100)
    empty.touch()
    for path, reason in ((broken, "not a database"), (empty, "no tables"), (missing, "no such file")):
        with pytest.raises(DatabaseError, match=f"{reason}.*CCOE_DATABASE") as caught:
            SqlTool(path, setting="CCOE_DATABASE")
        assert caught.value.path == path


async def test_a_database_that_goes_away_fails_the_step_only(library: Path) -> None:
    tool = SqlTool(library)
    library.unlink()
    with pytest.raises(ToolError, match="unable to open"):
        await tool.run("SELECT title FROM books", "")
