"""`ccoe tools`: list, show, call."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from graphs.protocols import Tool, ToolResult
from graphs.tools.invocation import invoke
from orchestrator.cli.interruption import run_to_end
from orchestrator.errors import ToolUnknownError
from orchestrator.settings import read_settings
from orchestrator.tools import open_tools

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Show and try the tools that steps may call.")
Name = Annotated[str, typer.Argument(help="The tool's name.")]


@app.command("list")
def list_tools() -> None:
    """The configured tools."""
    table = Table("tool", "arguments", "seconds", "description", box=None)
    for name, tool in sorted(run_to_end(_tools()).items()):
        arguments: Mapping[str, Any] = tool.arguments.get("properties", {})
        table.add_row(name, ", ".join(arguments), f"{tool.max_seconds:g}", tool.description)
    Console(highlight=False).print(table)


@app.command()
def show(name: Name) -> None:
    """A tool's description and the JSON Schema of its arguments, as JSON."""
    tool = _named(run_to_end(_tools()), name)
    shown = {"name": tool.name, "description": tool.description, "max_seconds": tool.max_seconds}
    typer.echo(json.dumps({**shown, "arguments": tool.arguments}, ensure_ascii=False, indent=2))


@app.command()
def call(
    name: Name,
    args: Annotated[str, typer.Option(help="A JSON object that fits the tool's schema.")] = "{}",
    as_json: Annotated[bool, typer.Option("--json", help="Text, data and warnings as JSON.")] = False,
) -> None:
    """Call a tool as a step would, and print what it computes."""
    try:
        arguments = json.loads(args)
    except ValueError as error:
        raise typer.BadParameter(f"{args!r} is not JSON ({error})", param_hint="--args") from error
    result = run_to_end(_call(name, arguments))
    if as_json:
        shown = {"text": result.text, "data": result.data, "warnings": result.warnings}
        typer.echo(json.dumps(shown, ensure_ascii=False, indent=2, default=str))
        return
    typer.echo(result.text)
    for warning in result.warnings:
        typer.echo(f"unverified: {warning}", err=True)


async def _tools() -> Mapping[str, Tool]:
    settings = read_settings()
    async with open_tools(settings, settings.read_tools()) as tools:
        return tools


async def _call(name: str, arguments: object) -> ToolResult:
    settings = read_settings()
    async with open_tools(settings, settings.read_tools()) as tools:
        return await invoke(_named(tools, name), arguments)


def _named(tools: Mapping[str, Tool], name: str) -> Tool:
    if name not in tools:
        raise ToolUnknownError(name)
    return tools[name]
