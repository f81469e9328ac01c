"""`ccoe ask`: one task, from plan to answer."""

import json
import sys
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from graphs.budget import Budget
from orchestrator.cli.document import run_document
from orchestrator.cli.interruption import run_to_end
from orchestrator.cli.live import Watcher, watch_live, watch_plain, watch_silently
from orchestrator.data_directory import running_service
from orchestrator.errors import RunRefusedError
from orchestrator.expert_host import OpenExperts
from orchestrator.remote_service import RemoteService
from orchestrator.run import Run, RunStatus
from orchestrator.service import Service
from orchestrator.settings import Settings, read_settings

app = typer.Typer()


@dataclass(frozen=True, slots=True)
class _Question:
    task: str | None
    plan: object
    limits: Budget
    watch: Watcher


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
    max_seconds: Annotated[float | None, typer.Option(min=0.001, help="End the run after this time.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Of prompts and outputs together.")] = None,
    max_steps: Annotated[int | None, typer.Option(min=1, help="Steps that are started.")] = None,
    max_tool_calls: Annotated[int | None, typer.Option(min=1, help="Calls of tools.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Answer one task and show how."""
    settings = _settings(database or [])
    limits = Budget(seconds=max_seconds, tokens=max_tokens, steps=max_steps, tool_calls=max_tool_calls)
    question = _Question(task, _read_plan(plan) if plan else None, limits, _watcher(as_json))
    run = run_to_end(_answer(question, _service(settings, cast(OpenExperts, context.obj), is_own=bool(database))))
    if as_json:
        typer.echo(run_document(run))
    if run.status is not RunStatus.SUCCESS:
        raise typer.Exit(1)


async def _answer(question: _Question, opening: AbstractAsyncContextManager[Service | RemoteService]) -> Run:
    async with opening as service:
        run = await service.submit(question.task, question.plan, question.limits)
        try:
            await question.watch(run.task, service.events(run.id))
        finally:
            # left early: nobody waits for the answer any more
            if not (ended := await service.runs.get(run.id)).status.is_terminal:
                ended = await service.cancel(run.id)
        return ended


def _service(
    settings: Settings, open_experts: OpenExperts, *, is_own: bool
) -> AbstractAsyncContextManager[Service | RemoteService]:
    running = None if is_own else running_service(settings.data_dir)
    return RemoteService.open(settings, running) if running else Service.open(settings, open_experts)


def _settings(databases: list[str]) -> Settings:
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


def _watcher(as_json: bool) -> Watcher:
    if as_json:
        return watch_silently
    return watch_live if sys.stdout.isatty() else watch_plain
