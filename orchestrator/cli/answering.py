"""A run that a command begins, shows and waits for."""

import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import typer

from orchestrator.cli.asking import ask_here, is_terminal, question_lines, until_interrupted
from orchestrator.cli.document import run_document
from orchestrator.cli.interruption import run_to_end
from orchestrator.cli.live import RunView, Watcher, watch_live, watch_plain, watch_silently
from orchestrator.data_directory import running_service
from orchestrator.expert_host import OpenExperts
from orchestrator.remote_service import RemoteService
from orchestrator.run import Run, RunStatus
from orchestrator.service import Service
from orchestrator.settings import Settings

Opening = AbstractAsyncContextManager[Service | RemoteService]
Begin = Callable[[Service | RemoteService], Awaitable[Run]]


EXIT_INTERRUPTED = 3
"""The run waits for a person."""


def open_service(settings: Settings, open_experts: OpenExperts, *, is_own: bool = False) -> Opening:
    """The service that runs on the data directory, else one of this process."""
    running = None if is_own else running_service(settings.data_dir)
    return RemoteService.open(settings, running) if running else Service.open(settings, open_experts, is_private=is_own)


def answer(begin: Begin, opening: Opening, *, as_json: bool) -> None:
    """Show the run to its end, or until it waits for a person who is not here. Exit code 1 if it did not succeed."""
    run = run_to_end(_answered(begin, opening, _watcher(as_json), can_ask=is_terminal() and not as_json))
    if as_json:
        typer.echo(run_document(run))
    if run.status is RunStatus.INTERRUPTED:
        if not as_json:
            typer.echo("\n".join([f"run {run.id} waits for a person", *question_lines(run)]))
        raise typer.Exit(EXIT_INTERRUPTED)
    if run.status is not RunStatus.SUCCESS:
        raise typer.Exit(1)


async def _answered(begin: Begin, opening: Opening, watch: Watcher, *, can_ask: bool) -> Run:
    async with opening as service:
        run = await begin(service)
        return await watched(service, run, watch, RunView(run.task, plan=run.plan), can_ask=can_ask)


async def watched(
    service: Service | RemoteService, run: Run, watch: Watcher, view: RunView, *, can_ask: bool = False
) -> Run:
    """The run when it has ended or waits for a person; it is cancelled if whoever watches leaves early."""
    entries = service.events(run.id)
    try:
        is_asked = True
        while is_asked:
            await watch(view, until_interrupted(entries, service.runs, run.id))
            ended = await service.runs.get(run.id)
            is_waiting = can_ask and bool(ended.open_questions) and ended.status is RunStatus.INTERRUPTED
            is_asked = is_waiting and await ask_here(service.answers, service.runs, ended)
    finally:
        ended = await service.runs.get(run.id)
        # left early: nobody waits for the answer any more
        if not (ended.status.is_terminal or ended.status is RunStatus.INTERRUPTED):
            ended = await service.cancel(run.id)
    return ended


def _watcher(as_json: bool) -> Watcher:
    if as_json:
        return watch_silently
    return watch_live if sys.stdout.isatty() else watch_plain
