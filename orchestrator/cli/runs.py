"""`ccoe runs`: what Redis keeps of the runs. Only `resume` and `fork` need experts."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Self, cast

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from graphs.person import PersonAnswer
from orchestrator.answer_store import AnswerStore
from orchestrator.auth import LOCAL
from orchestrator.cancellation import Cancellation
from orchestrator.cli.answering import answer, open_service
from orchestrator.cli.asking import question_lines, until_interrupted
from orchestrator.cli.document import run_document
from orchestrator.cli.interruption import run_to_end
from orchestrator.cli.live import RunView, printable, recorded
from orchestrator.data_directory import running_service
from orchestrator.delivery_store import DeliveryStore
from orchestrator.expert_host import OpenExperts
from orchestrator.keys import Keys
from orchestrator.redis_connection import redis_connection
from orchestrator.remote_service import RemoteService
from orchestrator.run import Run
from orchestrator.run_queue import RunQueue
from orchestrator.run_store import RunStore
from orchestrator.service import Service
from orchestrator.settings import read_settings
from orchestrator.thread_store import ThreadStore
from orchestrator.trace_store import TraceStore

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Show, answer, cancel, resume and fork runs.")

RunId = Annotated[str, typer.Argument(help="The run's id, or `last`.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_runs(limit: Annotated[int, typer.Option(min=1, help="How many.")] = 20) -> None:
    """The newest runs."""
    run_to_end(_list(limit))


@app.command()
def show(run_id: RunId, as_json: AsJson = False) -> None:
    """One run: plan, results, answer, times."""
    run_to_end(_show(run_id, as_json))


@app.command()
def trace(run_id: RunId, as_json: AsJson = False) -> None:
    """The run's events in their order, followed until it ends or waits for a person."""
    run_to_end(_trace(run_id, as_json))


@app.command()
def cancel(run_id: RunId) -> None:
    """End a run as cancelled, whatever process executes it."""
    run_to_end(_cancel(run_id))


@app.command("answer")
def answer_question(
    context: typer.Context,
    run_id: RunId,
    step: Annotated[int, typer.Argument(min=1, help="The step that asks.")],
    approve: Annotated[bool, typer.Option("--approve", help="Say yes.")] = False,
    reject: Annotated[bool, typer.Option("--reject", help="Say no: the step fails.")] = False,
    text: Annotated[str | None, typer.Option(help="The answer; with a yes a comment, with a no the reason.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Show the run to its end; without a service, run it.")] = False,
) -> None:
    """Answer a step that waits for a person. It holds, also where no service runs: the next one goes on."""
    said = _said(approve=approve, reject=reject, text=text)
    settings = read_settings()

    async def begin(service: Service | RemoteService) -> Run:
        return await service.answers.answer(await _resolved(service.runs, run_id), step, said, LOCAL)

    if wait:
        answer(begin, open_service(settings, cast(OpenExperts, context.obj)), as_json=False)
    else:
        run_to_end(_answer(run_id, step, said))
        goes_on = "goes on" if running_service(settings.data_dir) else "goes on with the next service: ccoe serve"
        typer.echo(f"step {step} is answered; the run {goes_on}")


def _said(*, approve: bool, reject: bool, text: str | None) -> PersonAnswer:
    if (approve and reject) or not (approve or reject or text):
        raise typer.BadParameter("say one of --approve, --reject and --text ANSWER; a text may go with the first two")
    try:
        return PersonAnswer(decision="approve" if approve else "reject" if reject else "text", text=text or "")
    except ValidationError as error:
        raise typer.BadParameter(error.errors()[0]["msg"], param_hint="--text") from error


@app.command()
def resume(context: typer.Context, run_id: RunId, as_json: AsJson = False) -> None:
    """A run that did not succeed, as a new one: finished steps are kept, the others are done."""

    async def begin(service: Service | RemoteService) -> Run:
        return await service.resume(await _resolved(service.runs, run_id))

    answer(begin, open_service(read_settings(), cast(OpenExperts, context.obj)), as_json=as_json)


@app.command()
def fork(
    context: typer.Context,
    run_id: RunId,
    step: Annotated[int, typer.Option("--from", min=1, help="The step that is done anew, with all that need it.")],
    edits: Annotated[
        list[str] | None, typer.Option("--set", help="text=…, expert=… of that step; or result=…: it is not run.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """An ended run as a new one that differs from a step on; what does not need the step is kept."""
    changes = dict(_edit(text) for text in edits or [])

    async def begin(service: Service | RemoteService) -> Run:
        return await service.fork(await _resolved(service.runs, run_id), step, changes)

    answer(begin, open_service(read_settings(), cast(OpenExperts, context.obj)), as_json=as_json)


def _edit(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise typer.BadParameter(f"{text!r} is not KEY=VALUE", param_hint="--set")
    return name, value


@dataclass(frozen=True, slots=True)
class Stores:
    """What is kept of runs, reached without a service."""

    runs: RunStore
    traces: TraceStore
    queue: RunQueue
    answers: AnswerStore
    deliveries: DeliveryStore
    threads: ThreadStore

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncGenerator[Self]:
        settings = read_settings()
        keys, ttl = Keys(settings.tenant), settings.run_ttl_seconds
        async with redis_connection(settings) as redis:
            runs = RunStore(redis, keys, ttl, settings.trace_limits)
            queue = RunQueue(redis, keys, LOCAL, ttl)
            answers, deliveries = AnswerStore(redis, runs, queue), DeliveryStore(redis, keys, settings)
            threads = ThreadStore(redis, keys, runs, ttl)
            yield cls(runs, TraceStore(redis, runs), queue, answers, deliveries, threads)

    async def cancel(self, run_id: str, reason: str) -> Run:
        """End the run, and tell whoever has to know of it. Raises RunNotFoundError, RunEndedError."""
        return await Cancellation(self.runs, self.queue, self.deliveries).cancel(run_id, reason)


async def _list(limit: int) -> None:
    table = Table("run", "status", "created", "task", box=None)
    async with Stores.open() as stores:
        for run in await stores.runs.newest(limit):
            created = run.created.astimezone().strftime("%Y-%m-%d %H:%M:%S")
            table.add_row(run.id, run.status, created, Text(printable(run.task), overflow="ellipsis", no_wrap=True))
    Console(highlight=False).print(table)


async def _show(run_id: str, as_json: bool) -> None:
    async with Stores.open() as stores:
        run = await stores.runs.get(await _resolved(stores.runs, run_id))
        if as_json:
            typer.echo(run_document(run))
            return
        view = RunView(run.task, plan=run.plan)
        for entry in await stores.traces.read(run.id):
            view.apply(entry.event)
        if view.finished is None and run.status.is_terminal:
            view = recorded(run)  # a trace may expire before its record
    console = Console(highlight=False)
    console.print(view)
    for line in question_lines(run):
        console.print(Text(line), soft_wrap=True)


async def _trace(run_id: str, as_json: bool) -> None:
    console = Console(highlight=False, soft_wrap=True)
    async with Stores.open() as stores:
        found = await _resolved(stores.runs, run_id)
        async for entry in until_interrupted(stores.traces.follow(found), stores.runs, found):
            if as_json:
                typer.echo(entry.model_dump_json())
                continue
            fields = entry.event.model_dump_json(exclude={"type"})
            console.print(Text(f"{entry.at:%H:%M:%S.%f} {entry.event.type} {fields}"))


async def _cancel(run_id: str) -> None:
    async with Stores.open() as stores:
        run = await stores.cancel(await _resolved(stores.runs, run_id), "cancelled on request")
    typer.echo(f"run {run.id} is {run.status}")


async def _answer(run_id: str, step: int, said: PersonAnswer) -> None:
    async with Stores.open() as stores:
        await stores.answers.answer(await _resolved(stores.runs, run_id), step, said, LOCAL)


async def _resolved(runs: RunStore, run_id: str) -> str:
    newest = await runs.newest(1) if run_id == "last" else []
    return newest[0].id if newest else run_id
