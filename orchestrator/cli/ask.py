"""`ccoe ask`: one task, from plan to answer."""

import json
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from graphs.budget import Budget
from orchestrator.cli.answering import answer, open_service
from orchestrator.errors import RunRefusedError
from orchestrator.expert_host import OpenExperts
from orchestrator.remote_service import RemoteService
from orchestrator.run import Mode, Run, Scheduling
from orchestrator.service import Service
from orchestrator.settings import Settings, read_settings

app = typer.Typer(add_completion=False)


@app.command()
def ask(
    context: typer.Context,
    task: Annotated[str | None, typer.Argument(help="What is to be found out.")] = None,
    plan: Annotated[Path | None, typer.Option(help="Run this plan, a JSON file, instead of planning.")] = None,
    database: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=PATH of a SQLite file for SQL steps; asks with experts of its own, not a running one's."
        ),
    ] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="Asked again with the same key within a day, the same run is shown.")
    ] = None,
    max_seconds: Annotated[float | None, typer.Option(min=0.001, help="End the run after this time.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Of prompts and outputs together.")] = None,
    max_steps: Annotated[int | None, typer.Option(min=1, help="Steps that are started.")] = None,
    max_tool_calls: Annotated[int | None, typer.Option(min=1, help="Calls of tools.")] = None,
    thread: Annotated[str | None, typer.Option(help="The thread that it goes on; see `ccoe chat`.")] = None,
    mode: Annotated[Mode, typer.Option(help="`direct`: no planner, the gate's expert answers.")] = Mode.AUTO,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Answer one task and show how."""
    settings = settings_with(database or [])
    given = _read_plan(plan) if plan else None
    scheduling = Scheduling(idempotency_key=idempotency_key)
    limits = Budget(seconds=max_seconds, tokens=max_tokens, steps=max_steps, tool_calls=max_tool_calls)
    opening = open_service(settings, cast(OpenExperts, context.obj), is_own=bool(database))

    async def begin(service: Service | RemoteService) -> Run:
        return await service.submit(task, given, scheduling, limits, thread_id=thread, mode=mode)

    answer(begin, opening, as_json=as_json)


def settings_with(databases: list[str]) -> Settings:
    """The settings, with databases that the command names as NAME=PATH."""
    if not databases:
        return read_settings()
    named: dict[str, str] = {}
    for database in databases:
        name, separator, path = database.partition("=")
        if not (name and separator and path):
            raise typer.BadParameter(f"{database!r} is not NAME=PATH", param_hint="--database")
        named[name] = path
    return read_settings(databases=named, database=next(iter(named)))


def _read_plan(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise RunRefusedError(f"the plan {str(path)!r} cannot be read: {error}", "name a JSON file of steps") from error
