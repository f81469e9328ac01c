"""The tools come from the settings."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from graphs.errors import DatabaseError
from orchestrator.settings import read_settings
from orchestrator.tools import configured_tools


def test_sql_needs_a_database(tmp_path: Path) -> None:
    assert set(configured_tools(read_settings())) == {"calculator"}
    with closing(sqlite3.connect(tmp_path / "shop.sqlite")) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER, total REAL)")
    tools = configured_tools(read_settings(databases={"shop": tmp_path / "shop.sqlite"}))
    assert set(tools) == {"calculator", "sql"}
    assert "orders" in tools["sql"].context("how many orders?")


def test_a_database_that_cannot_be_read_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="CCOE_DATABASES"):
        configured_tools(read_settings(databases={"shop": tmp_path / "nothing.sqlite"}))
