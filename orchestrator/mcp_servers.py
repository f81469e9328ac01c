"""MCP servers as the tools file names them. Importing this loads the client, which takes its time."""

from mcp import StdioServerParameters

from graphs.tools.mcp_server import McpServer, Target, streamable_http
from orchestrator.tools_file import McpSection, revealed


def mcp_server(name: str, section: McpSection) -> McpServer:
    """A server of the tools file, not connected yet."""

    def target() -> Target:
        if section.url is not None:
            return streamable_http(section.url, revealed(section.headers))
        command, *arguments = section.command
        return StdioServerParameters(command=command, args=arguments, env=revealed(section.environment))

    return McpServer(name, target, allowed=section.tools, max_seconds=section.max_seconds)
