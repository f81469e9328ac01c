"""`ccoe chat`: one task after another in a thread, each answer streamed; a plan is shown where there is one."""

import sys
from functools import partial
from typing import Annotated, cast

import typer
from rich.console import Console, Group
from rich.text import Text

from graphs.errors import GraphError
from orchestrator.cli.answering import open_service, watched
from orchestrator.cli.interruption import run_to_end
from orchestrator.cli.lines import typed_lines
from orchestrator.cli.live import RunView, Watcher, closing_line, printable, watch_live, watch_silently
from orchestrator.cli.threads import resolved
from orchestrator.errors import ServiceError
from orchestrator.expert_host import OpenExperts
from orchestrator.failure import failure_of
from orchestrator.remote_service import RemoteService
from orchestrator.run import Mode, Run, RunStatus
from orchestrator.service import Service
from orchestrator.settings import read_settings
from orchestrator.thread import Thread

app = typer.Typer(add_completion=False)


@app.command()
def chat(
    context: typer.Context,
    thread: Annotated[str | None, typer.Option(help="The thread to go on with, or `last`; else a new one.")] = None,
    mode: Annotated[Mode, typer.Option(help="`direct`: no planner, the gate's expert answers.")] = Mode.AUTO,
) -> None:
    """Ask and go on asking: a line is a task that sees the turns before it. Ctrl-D ends.

    Where the input is no terminal, each of its lines is asked and the answers alone are printed; exit code 1 if one
    of them failed.
    """
    opening = open_service(read_settings(), cast(OpenExperts, context.obj))

    async def talk() -> bool:
        async with opening as service:
            found = await _thread(service, thread)
            return await _talk(service, found, mode, is_terminal=sys.stdin.isatty())

    if not run_to_end(talk()):
        raise typer.Exit(1)


async def _thread(service: Service | RemoteService, thread_id: str | None) -> Thread:
    if thread_id is None:
        return await service.threads.create()
    return await service.threads.get(await resolved(service.threads, thread_id))


async def _talk(service: Service | RemoteService, thread: Thread, mode: Mode, *, is_terminal: bool) -> bool:
    """Whether every task was answered."""
    console = Console(highlight=False, soft_wrap=True)
    ask = partial(console.print, "[bold]> [/bold]", end="") if is_terminal else lambda: None
    if is_terminal:
        said = f"thread {thread.id}, {thread.num_turns} turns; Ctrl-D ends"
        console.print(Text(said, style="dim"))
    all_answered = True
    async for line in typed_lines(ask):
        if line.strip():
            run = await _answered(service, thread.id, line, mode, watch_live if is_terminal else watch_silently)
            all_answered &= run is not None and run.status is RunStatus.SUCCESS
            if run is not None and not is_terminal:
                console.print(Text(printable(run.answer or (run.error.message if run.error else ""))))
    return all_answered


async def _answered(
    service: Service | RemoteService, thread_id: str, task: str, mode: Mode, watch: Watcher
) -> Run | None:
    """The run that answers; None for a task that cannot become one, which the next line may do better."""
    try:
        run = await service.submit(task, thread_id=thread_id, mode=mode)
    except (GraphError, ServiceError) as error:
        failure = failure_of(error)
        Console(stderr=True, highlight=False).print(Text(f"error: {failure.message}. {failure.remedy}", style="red"))
        return None
    return await watched(service, run, watch, ChatView(run.task))


class ChatView(RunView):
    """The answer as it grows; above it the plan, if the planner wrote one."""

    def __rich__(self) -> Group:
        answer = Text(printable(self.answer))
        if self.plan is None:
            answer = answer or Text("…", style="dim")
            return Group(answer)
        is_direct = self.source == "gate" and self.answer
        parts = [] if is_direct else [super().__rich__()]
        ending = [Text(closing_line(self.finished), style="dim")] if self.finished and is_direct else []
        return Group(*parts, *([answer] if is_direct else []), *ending)
