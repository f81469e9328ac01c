"""Tools of MCP servers (Model Context Protocol), over stdio or streamable HTTP, through the official client."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Self

import httpx2
from mcp import Client, InputRequiredRoundsExceededError, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, RequestParamsMeta, TextContent
from pydantic import ValidationError

from graphs.errors import ToolError
from graphs.protocols import ToolResult
from graphs.tools.call_key import idempotency_key
from graphs.tools.invocation import JsonTool

Target = StdioServerParameters | AbstractAsyncContextManager[Any]
"""A program to start, or an open way to a server."""

CONNECT_SECONDS = 30.0
"""A program may have much to load before it answers."""
_CLOSE_SECONDS = 10.0
"""The client ends a program that does not end by itself; interrupted in that, it would wait for ever."""
KEY_META = "ccoe/idempotency-key"
"""Where a call carries its idempotency key."""
MAX_TOOLS = 1_000
MAX_DESCRIPTION_CHARS = 1_000
_CALL_ERRORS = (MCPError, InputRequiredRoundsExceededError, ValidationError, RuntimeError, OSError)
"""What the client raises: the server's errors, a result that breaks the protocol or its own schema, a lost pipe."""


@asynccontextmanager
async def streamable_http(url: str, headers: Mapping[str, str]) -> AsyncGenerator[Any]:
    """The way to a server at a URL; the headers go with every request."""
    timeout = httpx2.Timeout(30.0, read=300.0)  # a server may hold a stream open; calls have their own limit
    async with (
        httpx2.AsyncClient(headers=dict(headers), timeout=timeout) as http,
        streamable_http_client(url, http_client=http) as streams,
    ):
        yield streams


class McpServer:
    """A named server. It is asked whether it lives before each call, and connected anew if not.

    So a server that died costs one call at most, and no call is sent twice. Used as an asynchronous context.
    """

    def __init__(
        self,
        name: str,
        target: Callable[[], Target],
        *,
        allowed: Collection[str] | None = None,
        max_seconds: float = 30.0,
    ) -> None:
        self.name = name
        self.max_seconds = max_seconds
        self._target = target
        self._allowed = None if allowed is None else frozenset(allowed)
        self._connecting = asyncio.Lock()
        self._client: Client | None = None
        self._holder: asyncio.Task[None] | None = None
        self._leave = asyncio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._disconnect()

    async def tools(self) -> list["McpTool"]:
        """Its tools, those of the allow-list if there is one. Raises ToolError if it cannot be reached."""
        client = await self._connected()
        tools: dict[str, McpTool] = {}
        cursor: str | None = None
        while len(tools) < MAX_TOOLS:
            try:
                page = await client.list_tools(cursor=cursor)
            except _CALL_ERRORS as error:
                raise self._error(f"it does not list its tools: {_reason(error)}") from error
            for tool in page.tools:
                if self._allowed is None or tool.name in self._allowed:
                    description = " ".join((tool.description or tool.title or "").split())[:MAX_DESCRIPTION_CHARS]
                    tools[tool.name] = McpTool(self, tool.name, description, tool.input_schema)
            if not (cursor := page.next_cursor):
                break
        if missing := (self._allowed or frozenset()) - tools.keys():
            raise ToolError(self.name, f"it has no tool {', '.join(sorted(missing))}", "correct its list of tools")
        return list(tools.values())

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> ToolResult:
        """Call one of its tools. Raises ToolError if it cannot be reached or says that the call failed."""
        client, key = await self._connected(), idempotency_key()
        meta: RequestParamsMeta | None = {KEY_META: key} if key else None
        try:
            result = await client.call_tool(tool, dict(arguments), read_timeout_seconds=self.max_seconds, meta=meta)
        except _CALL_ERRORS as error:
            raise self._error(f"the call of {tool} failed: {_reason(error)}") from error
        text = _text_of(result)
        if result.is_error:
            raise ToolError(f"{self.name}.{tool}", text or "it failed without a reason", "correct the arguments")
        return ToolResult(text, result.structured_content)

    async def _connected(self) -> Client:
        async with self._connecting:
            if self._client is not None and await self._lives(self._client):
                return self._client
            await self._disconnect()
            self._client = await self._connect()
            return self._client

    async def _lives(self, client: Client) -> bool:
        try:
            async with asyncio.timeout(self.max_seconds):
                await client.list_tools(cache_mode="bypass")
        except (*_CALL_ERRORS, TimeoutError):
            return False
        return self._holder is not None and not self._holder.done()

    async def _connect(self) -> Client:
        opened: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._leave = asyncio.Event()
        self._holder = asyncio.create_task(self._hold(opened, self._leave))
        await asyncio.wait({self._holder, opened}, timeout=CONNECT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if opened.done():
            return opened.result()
        is_late = not self._holder.done()
        failure = None if is_late else self._holder.exception()
        await self._disconnect()
        raise self._error(f"no answer within {CONNECT_SECONDS:g} s" if is_late else _reason(failure)) from failure

    async def _hold(self, opened: asyncio.Future[Client], leave: asyncio.Event) -> None:
        """Open and close the client in one task, as its cancel scopes demand."""
        async with Client(self._target(), read_timeout_seconds=CONNECT_SECONDS) as client:
            opened.set_result(client)
            await leave.wait()

    async def _disconnect(self) -> None:
        holder, self._holder, self._client = self._holder, None, None
        if holder is None:
            return
        self._leave.set()
        _, late = await asyncio.wait({holder}, timeout=_CLOSE_SECONDS)
        if late:
            holder.cancel()
            await asyncio.wait({holder})
        if not holder.cancelled():
            holder.exception()  # of a server that is gone; whoever called it was told

    def _error(self, reason: str) -> ToolError:
        return ToolError(self.name, f"MCP server: {reason}", "see that it runs and how the tools file names it")


class McpTool(JsonTool):
    """One tool of a server, as `server.tool`."""

    def __init__(self, server: McpServer, tool: str, description: str, arguments: Mapping[str, Any]) -> None:
        """Raises ToolError if the server gives no valid schema."""
        # to ask whether it lives, to connect anew and to call
        max_seconds = 2 * server.max_seconds + CONNECT_SECONDS
        super().__init__(f"{server.name}.{tool}", description, arguments, max_seconds)
        self._server = server
        self._tool = tool

    async def call(self, arguments: Mapping[str, Any]) -> ToolResult:
        """Let the server compute. Raises ToolError."""
        return await self._server.call(self._tool, arguments)


def _text_of(result: CallToolResult) -> str:
    blocks = [block.text if isinstance(block, TextContent) else f"({block.type})" for block in result.content]
    if not blocks and result.structured_content is not None:
        return json.dumps(result.structured_content, ensure_ascii=False)
    return "\n".join(blocks)


def _reason(error: BaseException | None) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__
