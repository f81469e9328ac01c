"""A real MCP server: over stdio, or with a port as its argument over streamable HTTP."""

import os
import sys
import time

from mcp.server.mcpserver import Context, MCPServer

server = MCPServer("example", log_level="CRITICAL")


@server.tool()
def add(a: int, b: int) -> int:
    """Adds two
    numbers."""
    return a + b


@server.tool()
def process_id() -> int:
    return os.getpid()


@server.tool()
def end() -> str:
    os._exit(1)


@server.tool()
def wait(path: str) -> str:
    """Writes the file, then takes long."""
    with open(path, "a", encoding="utf-8") as file:  # noqa: PTH123
        file.write("called\n")
    time.sleep(60)
    return "done"


@server.tool()
def header(context: Context) -> str:
    request = context.request_context.request
    assert request is not None
    return str(request.headers.get("authorization"))


@server.tool()
def key(context: Context) -> str:
    return str((context.request_context.meta or {}).get("ccoe/idempotency-key"))


@server.tool()
def secret() -> str:
    return os.environ.get("EXAMPLE_TOKEN", "there is none")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        server.run("streamable-http", port=int(sys.argv[1]))
    else:
        server.run()
