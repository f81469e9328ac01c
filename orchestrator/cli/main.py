"""The command `ccoe`. The one place that imports by name: a command's module is loaded when the command is used."""

import sys
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from importlib import import_module
from typing import Any

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from experts.errors import DatasetError
from graphs.errors import InvalidInputs, InvalidPlan, InvalidWorkflow, TaskError
from orchestrator.answer_errors import AnswerRefusedError
from orchestrator.errors import RunRefusedError, SettingsInvalidError, ToolUnknownError
from orchestrator.expert_host import ExpertHost, OpenExperts
from orchestrator.failure import KNOWN_ERRORS, failure_of
from orchestrator.schedule_errors import ScheduleRefusedError
from orchestrator.settings import Settings

_COMMANDS = {
    "ask": "Answer one task and show how.",
    "chat": "Ask and go on asking, in a thread.",
    "workflow": "Run, check and draw workflows.",
    "serve": "Serve the HTTP API.",
    "runs": "Show, answer, cancel, resume and fork runs.",
    "threads": "Show and delete threads.",
    "schedules": "Create, show, pause, resume, delete and run schedules.",
    "webhooks": "Show and retry what webhooks have not taken.",
    "experts": "Show, change and exchange experts.",
    "keys": "Create, list and revoke keys of the HTTP API.",
    "tools": "Show and try the tools that steps may call.",
    "gc": "Show and remove what is left behind.",
    "doctor": "Find what is wrong, and say what to do about it.",
    "index": "Read a folder for the search tool.",
    "gate": "Say which expert a text is for.",
    "train": "Train the built-in experts, or one of your own.",
    "eval": "Score experts beside the general one.",
    "bench": "Measure on this machine.",
}
_BAD_INPUT = (
    SettingsInvalidError,
    TaskError,
    InvalidPlan,
    InvalidWorkflow,
    InvalidInputs,
    RunRefusedError,
    AnswerRefusedError,
    ScheduleRefusedError,
    DatasetError,
    ToolUnknownError,
)


class _LoadedOnUse(dict[str, Any]):
    """The commands by name."""

    def __missing__(self, name: str) -> Any:
        if name not in _COMMANDS:
            raise KeyError(name)
        self[name] = get_command(import_module(f"orchestrator.cli.{name}").app)
        self[name].name = name
        return self[name]

    def get(self, key: str, default: Any = None) -> Any:
        return self[key] if key in _COMMANDS else default

    def __iter__(self) -> Iterator[str]:
        return iter(_COMMANDS)

    def __contains__(self, name: object) -> bool:
        return name in _COMMANDS


class _Commands(TyperGroup):
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _LoadedOnUse()

    def list_commands(self, ctx: Any) -> list[str]:
        return list(_COMMANDS)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The overview loads no command."""
        self.commands = {name: TyperCommand(name, help=text) for name, text in _COMMANDS.items()}
        super().format_help(ctx, formatter)


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    help="A complex task is planned, run as a graph, and answered by domain experts on one shared backbone.",
)


@app.callback()
def ccoe() -> None:
    """Without it typer takes an application without registered commands for an error."""


def open_engine(settings: Settings) -> AbstractAsyncContextManager[ExpertHost]:
    """The experts of the local engine; a command that needs none does not load torch."""
    return import_module("orchestrator.expert_client").open_engine(settings)


def main(open_experts: OpenExperts = open_engine) -> None:
    """Run the command line. A known error is one red line and its remedy; exit code 2: the input is at fault."""
    try:
        get_group(app)(obj=open_experts)
    except KNOWN_ERRORS as error:
        failure = failure_of(error)
        console = Console(stderr=True, soft_wrap=True, highlight=False)
        console.print(Text(f"error: {failure.message}", style="red"))
        if failure.remedy:
            console.print(Text(f"remedy: {failure.remedy}"))
        sys.exit(2 if isinstance(error, _BAD_INPUT) else 1)


if __name__ == "__main__":
    main()
