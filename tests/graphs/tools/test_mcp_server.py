"""Tools of a real MCP server, over stdio and over HTTP; a server that dies is connected anew."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from mcp import StdioServerParameters

from graphs.errors import ToolError
from graphs.tools.call_key import at
from graphs.tools.invocation import invoke
from graphs.tools.mcp_server import McpServer, McpTool, streamable_http
from tests.orchestrator.conditions import until

SCRIPT = str(Path(__file__).parent / "mcp_example.py")


def program() -> StdioServerParameters:
    return StdioServerParameters(command=sys.executable, args=[SCRIPT], env={"EXAMPLE_TOKEN": "hidden"})


@asynccontextmanager
async def example(
    target: Callable[[], StdioServerParameters] = program, *, allowed: list[str] | None = None
) -> AsyncGenerator[dict[str, McpTool]]:
    async with McpServer("example", target, allowed=allowed) as server:
        yield {tool.name: tool for tool in await server.tools()}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def served(port: int) -> subprocess.Popen[bytes]:
    """The server in a process of its own, as soon as it listens."""
    process = subprocess.Popen([sys.executable, SCRIPT, str(port)], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process
        time.sleep(0.02)  # between two looks at the condition
    raise TimeoutError("the server does not listen")


async def test_the_tools_of_a_program_are_listed_with_their_schemas_and_called() -> None:
    async with example() as tools:
        add = tools["example.add"]
        assert add.description == "Adds two numbers."
        assert add.constraint("").value["required"] == ["a", "b"]
        result = await add.run('{"a": 2, "b": 40}', "add 2 and 40")
        assert (result.text, result.data, result.warnings) == ("42", {"result": 42}, ())


async def test_arguments_are_checked_before_the_server_sees_them() -> None:
    async with example() as tools:
        with pytest.raises(ToolError, match=r"example\.add: a: 'two' is not of type 'integer'"):
            await invoke(tools["example.add"], {"a": "two", "b": 1})


async def test_what_the_server_refuses_is_a_tool_error() -> None:
    async with example() as tools:
        with pytest.raises(ToolError, match=r"example\.wait"):
            await tools["example.wait"].call({"path": "/nowhere/at/all"})


async def test_an_allow_list_hides_the_rest_and_names_what_is_missing() -> None:
    async with example(allowed=["add"]) as tools:
        assert list(tools) == ["example.add"]
    with pytest.raises(ToolError, match="it has no tool subtract; correct its list of tools"):
        async with example(allowed=["add", "subtract"]):
            pass


async def test_a_program_gets_its_own_environment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://:password@host")
    async with example() as tools:
        assert (await tools["example.secret"].call({})).text == "hidden"


async def test_a_call_of_a_run_carries_its_idempotency_key() -> None:
    async with example() as tools:
        with at(("run", "r1.s1")):
            first, again = [(await invoke(tools["example.key"], {})).text for _ in range(2)]
        assert re.fullmatch("[0-9a-f]{64}", first) and again == first
        assert (await invoke(tools["example.key"], {})).text == "None"


@pytest.mark.parametrize("dies_in_a_call", [False, True])
async def test_a_program_that_died_is_started_anew(dies_in_a_call: bool) -> None:
    async with example() as tools:
        first = int((await tools["example.process_id"].call({})).text)
        if dies_in_a_call:
            with pytest.raises(ToolError, match="the call of end failed: Connection closed"):
                await tools["example.end"].call({})
        else:
            os.kill(first, signal.SIGKILL)
        assert int((await tools["example.process_id"].call({})).text) != first


async def test_calls_at_once_share_the_connection() -> None:
    async with example() as tools:
        results = await asyncio.gather(*(tools["example.add"].call({"a": k, "b": k}) for k in range(20)))
        assert [result.text for result in results] == [str(2 * k) for k in range(20)]
        processes = await asyncio.gather(*(tools["example.process_id"].call({}) for _ in range(5)))
        assert len({result.text for result in processes}) == 1


async def test_a_call_that_takes_too_long_is_not_sent_twice(tmp_path: Path) -> None:
    began = time.monotonic()
    async with McpServer("example", program, max_seconds=2) as server:
        tool = next(tool for tool in await server.tools() if tool.name == "example.wait")
        with pytest.raises(ToolError, match="the call of wait failed"):
            await tool.call({"path": str(tmp_path / "calls")})
        assert (tmp_path / "calls").read_text() == "called\n"
    assert time.monotonic() - began < 50, "closing has waited for the call, which takes a minute"


async def is_reaped() -> bool:
    """Whether the event loop has heard of the end of every program: one may be gone before it is waited for."""
    return not any(thread.name.startswith("waitpid") for thread in threading.enumerate())


@pytest.mark.parametrize("command", ["no-such-program", "true"])
async def test_a_program_that_is_no_server_is_an_error_with_its_name(command: str) -> None:
    with pytest.raises(ToolError, match=r"example: MCP server: .*; see that it runs"):
        async with example(lambda: StdioServerParameters(command=command)):
            pass
    await until(is_reaped, "the program is reaped")


async def test_over_http_the_headers_go_along_and_a_server_that_comes_back_is_found() -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/mcp"
    process = served(port)
    try:
        async with McpServer("web", lambda: streamable_http(url, {"Authorization": "Bearer x"})) as server:
            tools = {tool.name: tool for tool in await server.tools()}
            assert (await tools["web.header"].call({})).text == "Bearer x"
            process.kill()
            process.wait()
            with pytest.raises(ToolError, match="web: MCP server: "):
                await tools["web.add"].call({"a": 1, "b": 1})
            process = served(port)
            assert (await tools["web.add"].call({"a": 1, "b": 1})).text == "2"
    finally:
        process.kill()
        process.wait()
