"""Databases that can only be read: a real PostgreSQL where there is one, and what is refused."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine

from graphs.errors import DatabaseError, ToolError
from graphs.tools.database import SqliteDatabase, UnreadableError, open_database
from graphs.tools.schema import ForeignKey, with_names
from graphs.tools.sql import SqlTool
from tests.graphs.grammar_proof import accepts

SHOP = """
CREATE TABLE brands (brand_id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE bikes (
    bike_id INTEGER PRIMARY KEY, model TEXT, price NUMERIC(8, 2), "group" TEXT, sold DATE, picture BYTEA,
    brand_id INTEGER REFERENCES brands
);
INSERT INTO brands VALUES (1, 'Orbit');
INSERT INTO bikes VALUES (1, 'Quest 300', 2474, 'road', '2024-02-29', 'x', 1), (2, 'Nomad', 0.5, 'city', NULL, 'x', 1);
CREATE ROLE reader LOGIN;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO reader;
GRANT CREATE ON SCHEMA public TO reader;
"""
BINARIES = [Path(found).parent for name in ("initdb",) if (found := shutil.which(name))] or sorted(
    Path("/usr/lib/postgresql").glob("*/bin"), reverse=True
)


@pytest.fixture(scope="module")
def cluster() -> Generator[str]:
    """A PostgreSQL of the test's own on a socket; the URL of its database but for the role."""
    if not BINARIES or not (BINARIES[0] / "initdb").exists():
        reason = "there is no PostgreSQL; apt-get install postgresql"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="ccoe-pg-") as folder:
        user = "postgres" if os.getuid() == 0 else None  # it refuses to run as root
        if user:
            shutil.chown(folder, user)
        data = f"{folder}/data"

        def run(name: str, *arguments: str) -> None:
            command = [BINARIES[0] / name, "-D", data, *arguments]
            subprocess.run(command, check=True, capture_output=True, user=user, cwd=folder)

        run("initdb", "-U", "owner", "-A", "trust", "--no-sync")
        settings = f"-k {folder} -c listen_addresses='' -c fsync=off"
        run("pg_ctl", "-w", "-l", f"{folder}/log", "-o", settings, "start")
        try:
            url = f"postgresql+psycopg://{{role}}@/postgres?host={folder}"
            with create_engine(url.format(role="owner"), poolclass=NullPool).begin() as connection:
                connection.exec_driver_sql(SHOP)
            yield url
        finally:
            run("pg_ctl", "-m", "immediate", "stop")


@pytest.fixture
def tool(cluster: str) -> SqlTool:
    return SqlTool(open_database(cluster.format(role="reader"), "the test"), max_seconds=2.0)


@pytest.mark.slow
async def test_the_schema_is_read_with_keys_and_kinds(tool: SqlTool, cluster: str) -> None:
    with open_database(cluster.format(role="reader"), "the test").reading(5.0) as reading:
        schema = with_names(reading.schema(), reading.is_unique)
    assert [table.name for table in schema.tables] == ["bikes", "brands"]
    assert schema.tables[0].naming == "model"
    kinds = {column.sql: column.is_numeric for column in schema.tables[0].columns}
    assert kinds['"group"'] is False and kinds["price"] is True
    assert schema.foreign_keys == (ForeignKey("bikes", "brand_id", "brands", "brand_id"),)
    assert tool.recognises("What is the price of the Quest 300?") is True


@pytest.mark.slow
async def test_a_query_of_the_grammar_is_answered(tool: SqlTool) -> None:
    step = "What is the price of the Quest 300?"
    query = "SELECT price FROM bikes WHERE model = 'Quest 300'"
    assert accepts(tool.constraint(step).value, query)
    assert (await tool.run(query, step)).text == "2474"
    result = await tool.call({"query": "SELECT model, price, sold, picture FROM bikes WHERE model LIKE '%omad'"})
    assert result.data["rows"] == [["Nomad", 0.5, None, "(1 bytes)"]]


@pytest.mark.slow
@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1; DELETE FROM bikes",
        "SELECT 1; COMMIT; DELETE FROM bikes",
        "SELECT set_config('transaction_read_only', 'off', false); DELETE FROM bikes",
        "SELECT set_config('transaction_read_only', 'off', true)",
        "SELECT * INTO copy FROM bikes",
        "SELECT * FROM bikes FOR UPDATE",
        "SELECT pg_read_file('/etc/passwd')",
        "DELETE FROM bikes",
        "WITH gone AS (DELETE FROM bikes RETURNING 1) SELECT * FROM gone",
        "SELECT * FROM nothing",
    ],
)
async def test_an_attack_is_refused_and_changes_nothing(query: str, tool: SqlTool) -> None:
    with pytest.raises(ToolError):
        await tool.call({"query": query})
    assert tool.rows("SELECT count(*) FROM bikes") == [[2]]


@pytest.mark.slow
async def test_what_a_read_only_transaction_still_makes_is_rolled_back(tool: SqlTool) -> None:
    """PostgreSQL 15 lets it make large objects."""
    tool.rows("SELECT lo_creat(-1)")
    assert tool.rows("SELECT count(*) FROM pg_largeobject_metadata") == [[0]]


@pytest.mark.slow
async def test_a_query_without_end_is_stopped(cluster: str) -> None:
    tool = SqlTool(open_database(cluster.format(role="reader"), "the test"), max_seconds=0.5)
    with pytest.raises(ToolError, match=r"longer than 0\.5 s"):
        await tool.call({"query": "SELECT pg_sleep(60)"})


@pytest.mark.slow
async def test_a_superuser_is_refused(cluster: str) -> None:
    with pytest.raises(DatabaseError, match="its role is a superuser"):
        open_database(cluster.format(role="owner"), "the test")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mysql://u:secret@host/shop", r"'mysql://u:\*\*\*@host/shop' \(mysql is not supported"),
        ("sqlite://", "sqlite is not supported"),
        ("no url", "it is no SQLAlchemy URL"),
        ("postgresql://u:secret@/shop?host=/nowhere", "cannot read the database .*correct the test"),
    ],
)
def test_what_cannot_be_held_to_reading_is_refused_without_its_password(url: str, reason: str) -> None:
    with pytest.raises(DatabaseError, match=reason) as caught:
        open_database(url, "the test")
    assert "secret" not in str(caught.value)


def test_sqlite_is_read_only_before_any_authorizer(library: Path) -> None:
    engine = SqliteDatabase(library)._engine  # pyright: ignore[reportPrivateUsage]
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA query_only").scalar_one() == 1
    with pytest.raises(UnreadableError, match="unable to open"), SqliteDatabase(library / "no").reading(1.0):
        pass
