"""The tools that steps may call, by name, from the settings and the tools file."""

import logging
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING

from experts.sandbox import SandboxLimits, run_program
from graphs.errors import ToolError
from graphs.protocols import Tool
from graphs.tools.calculator import Calculator
from graphs.tools.database import open_database
from graphs.tools.http_request import AllowedHost, HttpTool
from graphs.tools.passage_index import Embed, PassageIndex
from graphs.tools.python_program import PythonTool
from graphs.tools.search import SearchTool
from graphs.tools.sql import SqlTool
from orchestrator.errors import ToolServerError
from orchestrator.settings import Settings
from orchestrator.tools_file import HttpSection, PythonSection, ToolsFile, revealed

if TYPE_CHECKING:
    from graphs.tools.mcp_server import McpServer

_LOG = logging.getLogger(__name__)


@asynccontextmanager
async def open_tools(settings: Settings, file: ToolsFile) -> AsyncGenerator[Mapping[str, Tool]]:
    """Tools by name, with their MCP servers connected; these end with the context.

    Raises DatabaseError if a database cannot be read, ToolServerError if a server that is not optional does not answer.
    """
    tools = {tool.name: tool for tool in _own_tools(settings, file)}
    async with AsyncExitStack() as servers:
        for name, section in file.mcp.items():
            # loaded where it is needed: half of all that a start without it imports
            opened: McpServer = import_module("orchestrator.mcp_servers").mcp_server(name, section)
            server = await servers.enter_async_context(opened)
            try:
                tools |= {tool.name: tool for tool in await server.tools()}
            except ToolError as error:
                if not section.optional:
                    raise ToolServerError(name, error.reason) from error
                _LOG.warning("%s; its tools are left out", error)
        yield tools


def load_embed(settings: Settings) -> Embed:
    """Vectors by the backbone. This loads torch."""
    config = import_module("experts.config").BackboneConfig(source=settings.backbone, cache_dir=settings.cache_dir)
    return import_module("experts.embedding").Embedder.load(config).embed


def _own_tools(settings: Settings, file: ToolsFile) -> Iterator[Tool]:
    yield Calculator()
    yield SearchTool(
        PassageIndex(settings.index_path),
        num_passages=file.search.num_passages,
        max_seconds=file.search.max_seconds,
        load_embed=lambda: load_embed(settings),
    )
    yield from _sql_tools(settings, file)
    if file.python.enabled:
        yield _python_tool(file.python)
    if file.http.hosts:
        yield _http_tool(file.http)


def _sql_tools(settings: Settings, file: ToolsFile) -> Iterator[Tool]:
    """`sql` over the default database, else over the first of the tools file; `sql.NAME` over each of that."""
    if settings.default_database is not None:
        yield SqlTool(settings.databases[settings.default_database], setting="CCOE_DATABASES")
    is_first = settings.default_database is None
    for name, url in file.sql.databases.items():
        setting = f"sql.databases.{name} in the tools file"
        database = open_database(url.get_secret_value(), setting)
        for tool_name in ("sql", f"sql.{name}") if is_first else (f"sql.{name}",):
            yield SqlTool(
                database,
                setting=setting,
                name=tool_name,
                max_rows=file.sql.max_rows,
                max_seconds=file.sql.max_seconds,
            )
        is_first = False


def _python_tool(section: PythonSection) -> PythonTool:
    limits = SandboxLimits(section.max_seconds, section.max_bytes, section.max_output_bytes)
    return PythonTool(lambda program: run_program(program, limits), 2 * section.max_seconds)


def _http_tool(section: HttpSection) -> HttpTool:
    hosts = [
        AllowedHost(host.name, host.methods, headers=revealed(host.headers), is_private=host.private)
        for host in section.hosts
    ]
    return HttpTool(hosts, max_seconds=section.max_seconds, max_bytes=section.max_bytes)
