"""The tools that steps may call, from the settings."""

from collections.abc import Mapping

from graphs.protocols import Tool
from graphs.tools.calculator import Calculator
from graphs.tools.sql import SqlTool
from orchestrator.settings import Settings


def configured_tools(settings: Settings) -> Mapping[str, Tool]:
    """Tools by name; SQL if there is a database. Raises DatabaseError if it cannot be read."""
    tools: list[Tool] = [Calculator()]
    if settings.default_database is not None:
        tools.append(SqlTool(settings.databases[settings.default_database], setting="CCOE_DATABASES"))
    return {tool.name: tool for tool in tools}
