"""A run that a command begins, shows and waits for."""

import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import typer

from orchestrator.cli.document import run_document
from orchestrator.cli.interruption import run_to_end
from orchestrator.cli.live import Watcher, watch_live, watch_plain, watch_silently
from orchestrator.data_directory import running_service
from orchestrator.expert_host import OpenExperts
from orchestrator.remote_service import RemoteService
from orchestrator.run import Run, RunStatus
from orchestrator.service import Service
from orchestrator.settings import Settings

Opening = AbstractAsyncContextManager[Service | RemoteService]
Begin = Callable[[Service | RemoteService], Awaitable[Run]]


def open_service(settings: Settings, open_experts: OpenExperts, *, is_own: bool = False) -> Opening:
    """The service that runs on the data directory, else one of this process."""
    running = None if is_own else running_service(settings.data_dir)
    return RemoteService.open(settings, running) if running else Service.open(settings, open_experts, is_private=is_own)


def answer(begin: Begin, opening: Opening, *, as_json: bool) -> None:
    """Show the run to its end. Exit code 1 if it did not succeed."""
    run = run_to_end(_answered(begin, opening, _watcher(as_json)))
    if as_json:
        typer.echo(run_document(run))
    if run.status is not RunStatus.SUCCESS:
        raise typer.Exit(1)


async def _answered(begin: Begin, opening: Opening, watch: Watcher) -> Run:
    async with opening as service:
        return await watched(service, await begin(service), watch)


async def watched(service: Service | RemoteService, run: Run, watch: Watcher) -> Run:
    """The run when it has ended; it is cancelled if whoever watches leaves early."""
    try:
        await watch(run.task, service.events(run.id))
    finally:
        # left early: nobody waits for the answer any more
        if not (ended := await service.runs.get(run.id)).status.is_terminal:
            ended = await service.cancel(run.id)
    return ended


def _watcher(as_json: bool) -> Watcher:
    if as_json:
        return watch_silently
    return watch_live if sys.stdout.isatty() else watch_plain
