"""Python: a program is run in a sandbox, and what it prints is the result."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from graphs.errors import ToolError
from graphs.protocols import ToolResult
from graphs.tools.invocation import JsonTool, text_arguments


class Ended(Protocol):
    """A program that has ended."""

    @property
    def output(self) -> str:
        """What it printed."""
        ...

    @property
    def fault(self) -> str | None:
        """Why it did not end well."""
        ...


class PythonTool(JsonTool):
    """Runs programs; how is decided by whoever makes the tool."""

    def __init__(self, run_program: Callable[[str], Ended], max_seconds: float) -> None:
        """`run_program` ends within max_seconds by itself."""
        arguments = text_arguments("program", "Python 3 with its standard library; print what is to be known")
        # the sandbox is the limit: a thread cannot be stopped, so this one never comes first
        super().__init__("python", "runs a Python program without files and network", arguments, max_seconds + 5)
        self._run_program = run_program

    async def call(self, arguments: Mapping[str, Any]) -> ToolResult:
        """What the program printed. Raises ToolError if it failed or printed nothing."""
        ended = await asyncio.to_thread(self._run_program, str(arguments["program"]))
        if ended.fault is not None:
            raise ToolError(self.name, ended.fault, "correct the program")
        if not (printed := ended.output.strip()):
            raise ToolError(self.name, "the program printed nothing", "let it print what is to be known")
        return ToolResult(printed)
