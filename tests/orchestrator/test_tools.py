"""The tools come from the settings and the tools file; servers end with them."""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from graphs.errors import DatabaseError, ToolError
from graphs.tools.invocation import invoke
from orchestrator.errors import ToolServerError
from orchestrator.settings import read_settings
from orchestrator.tools import open_tools
from orchestrator.tools_file import ToolsFile
from tests.graphs.grammar_proof import accepts_json
from tests.graphs.tools import mcp_example

ALWAYS = {"calculator", "search"}


def shop(path: Path) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER, total REAL)")
        connection.execute("INSERT INTO orders VALUES (1, 2.5)")
        connection.commit()
    return path


def example(**more: object) -> ToolsFile:
    command = [sys.executable, mcp_example.__file__]
    return ToolsFile.model_validate({"mcp": {"example": {"command": command, **more}}})


async def test_sql_needs_a_database(tmp_path: Path) -> None:
    async with open_tools(read_settings(), ToolsFile()) as tools:
        assert set(tools) == ALWAYS
    settings = read_settings(databases={"shop": shop(tmp_path / "shop.sqlite")})
    async with open_tools(settings, ToolsFile()) as tools:
        assert set(tools) == {*ALWAYS, "sql"}
        assert "orders" in tools["sql"].context("how many orders?")


async def test_databases_of_the_tools_file_have_their_own_names(tmp_path: Path) -> None:
    urls = {name: f"sqlite:///{shop(tmp_path / name)}" for name in ("shop", "ward")}
    file = ToolsFile.model_validate({"sql": {"databases": urls, "max_rows": 5}})
    async with open_tools(read_settings(), file) as tools:
        assert set(tools) == {*ALWAYS, "sql", "sql.shop", "sql.ward"}
        assert (await invoke(tools["sql.ward"], {"query": "SELECT total FROM orders"})).text == "2.5"


async def test_a_database_that_cannot_be_read_names_the_setting(tmp_path: Path) -> None:
    settings = read_settings(databases={"shop": tmp_path / "nothing.sqlite"})
    with pytest.raises(DatabaseError, match="CCOE_DATABASES"):
        async with open_tools(settings, ToolsFile()):
            pass
    file = ToolsFile.model_validate({"sql": {"databases": {"shop": "mysql://user:secret@host/shop"}}})
    with pytest.raises(DatabaseError, match=r"mysql is not supported.*sql\.databases\.shop") as caught:
        async with open_tools(read_settings(), file):
            pass
    assert "secret" not in str(caught.value)


async def test_programs_run_only_where_they_are_switched_on() -> None:
    file = ToolsFile.model_validate({"python": {"enabled": True, "max_output_bytes": 100}})
    async with open_tools(read_settings(), file) as tools:
        assert (await invoke(tools["python"], {"program": "print(2 ** 10)"})).text == "1024"
        with pytest.raises(ToolError, match="printed more than 100 bytes"):
            await invoke(tools["python"], {"program": "print('a' * 200)"})


async def test_hosts_make_the_http_tool() -> None:
    hosts = [{"name": "example.org", "methods": ["GET", "POST"]}]
    async with open_tools(read_settings(), ToolsFile.model_validate({"http": {"hosts": hosts}})) as tools:
        assert tools["http"].arguments["properties"]["method"] == {"enum": ["GET", "POST"]}
        with pytest.raises(ToolError, match="not on the allow-list"):
            await invoke(tools["http"], {"url": "http://localhost/"})


async def test_an_expert_can_write_what_each_tool_takes() -> None:
    """The engine's own compiler takes their schemas."""
    hosts = [{"name": "example.org", "methods": ["GET", "POST"]}]
    file = ToolsFile.model_validate({"python": {"enabled": True}, "http": {"hosts": hosts}})
    calls = {
        "search": '{"query":"how often?","k":3}',
        "python": r'{"program":"a = 1\nprint(a)"}',
        "http": '{"url":"https://example.org/a?b=c","method":"POST","body":{"n":[1,null]}}',
    }
    async with open_tools(read_settings(), file) as tools:
        for name, call in calls.items():
            assert accepts_json(tools[name].arguments, call)
            assert not accepts_json(tools[name].arguments, call.removesuffix("}") + ',"shell":"ls"}')
        assert not accepts_json(tools["http"].arguments, '{"url":"file:///etc/passwd"}')


async def test_a_server_of_the_tools_file_brings_its_tools() -> None:
    async with open_tools(
        read_settings(), example(tools=["add", "secret"], environment={"EXAMPLE_TOKEN": "x"})
    ) as tools:
        assert set(tools) == {*ALWAYS, "example.add", "example.secret"}
        assert (await invoke(tools["example.secret"], {})).text == "x"


async def test_a_server_that_does_not_answer_stops_the_start_unless_it_is_optional(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(ToolServerError, match="no-such-program") as caught:
        async with open_tools(read_settings(), example(command=["no-such-program"])):
            pass
    assert "mcp.example" in caught.value.remedy
    async with open_tools(read_settings(), example(command=["no-such-program"], optional=True)) as tools:
        assert set(tools) == ALWAYS
    assert "its tools are left out" in caplog.text
