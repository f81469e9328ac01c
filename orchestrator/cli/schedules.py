"""`ccoe schedules`: needs Redis, a running service sees a change at once; only `run` loads experts."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, cast
from zoneinfo import ZoneInfo

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.cli.answering import answer, open_service
from orchestrator.cli.interruption import run_to_end
from orchestrator.cli.live import printable
from orchestrator.data_directory import running_service
from orchestrator.expert_host import OpenExperts
from orchestrator.keys import Keys
from orchestrator.redis_connection import redis_connection
from orchestrator.run_check import RunCheck
from orchestrator.run_request import RunRequest
from orchestrator.schedule import MissedRuns, Overlap, Schedule, ScheduleRequest
from orchestrator.schedule_errors import ScheduleNotFoundError, ScheduleRefusedError
from orchestrator.schedule_store import ScheduleStore
from orchestrator.service_client import ServiceClient
from orchestrator.settings import read_settings
from orchestrator.stored_experts import stored_expert_names
from orchestrator.tools import open_tools
from orchestrator.tools_file import ToolsFile
from orchestrator.webhook import REVEALED
from orchestrator.workflow_catalog import WorkflowCatalog

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Create, show, pause, resume, delete and run schedules."
)

Named = Annotated[str, typer.Argument(help="The schedule's id, or its name if no other one has it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_NUM_TIMES = 5


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What it is called.")],
    task: Annotated[str | None, typer.Argument(help="What is to be found out each time.")] = None,
    request: Annotated[
        Path | None, typer.Option(help="Instead of a task: a JSON file, the body of POST /api/runs.")
    ] = None,
    cron: Annotated[str | None, typer.Option(help="Minute, hour, day, month, weekday: `30 7 * * MON-FRI`.")] = None,
    at: Annotated[str | None, typer.Option(help="Once: `2026-03-29T07:30`, in the time zone.")] = None,
    timezone: Annotated[str, typer.Option(help="For example Europe/Berlin.")] = "UTC",
    missed: Annotated[MissedRuns, typer.Option(help="Of times when no service was there.")] = MissedRuns.ONCE,
    overlap: Annotated[Overlap, typer.Option(help="While its last run goes on.")] = Overlap.ALLOW,
) -> None:
    """Make a schedule, and show when it is due."""
    fields = {
        "name": name,
        "cron": cron,
        "at": _moment(at) if at else None,
        "timezone": timezone,
        "request": _request(task, request),
        "missed": missed,
        "overlap": overlap,
    }
    try:
        asked = ScheduleRequest.model_validate(fields)
    except ValidationError as error:
        raise _refused("the schedule cannot be used", error) from error
    _show(run_to_end(_create(asked)))


@app.command("list")
def list_schedules() -> None:
    """All schedules with what comes next, in this machine's time and in their own."""
    table = Table("id", "name", "due", "zone", "next here", "next there", "last run", box=None)
    for schedule in run_to_end(_list()):
        table.add_row(
            schedule.id,
            Text(printable(schedule.name), overflow="ellipsis", no_wrap=True),
            schedule.cron or "once",
            schedule.timezone,
            *(_times(schedule, schedule.next_due) if schedule.next_due else (_rest(schedule), "")),
            schedule.last_run_id or "",
        )
    Console(highlight=False).print(table)


@app.command()
def show(schedule: Named, as_json: AsJson = False) -> None:
    """One schedule and its next times."""
    _show(run_to_end(_changed(schedule, None)), as_json=as_json)


@app.command()
def pause(schedule: Named) -> None:
    """Not due until it is resumed."""
    paused = run_to_end(_changed(schedule, "pause"))
    typer.echo(f"{printable(paused.name)} is paused")


@app.command()
def resume(schedule: Named) -> None:
    """Due from now on; what the pause has left out is not made up for."""
    _show(run_to_end(_changed(schedule, "resume")))


@app.command()
def delete(schedule: Named) -> None:
    """Remove a schedule; its runs go on."""
    deleted = run_to_end(_changed(schedule, "delete"))
    typer.echo(f"{printable(deleted.name)} is deleted")


@app.command()
def run(context: typer.Context, schedule: Named, as_json: AsJson = False) -> None:
    """Start a run now, beside the timetable, and show it to its end."""
    found = run_to_end(_changed(schedule, None))
    opening = open_service(read_settings(), cast(OpenExperts, context.obj))
    answer(lambda service: service.run_schedule(found.id), opening, as_json=as_json)


def _request(task: str | None, path: Path | None) -> RunRequest:
    if (task is None) == (path is None):
        raise typer.BadParameter("give a task, or a file with --request")
    if path is None:
        return RunRequest(task=task)
    try:
        return RunRequest.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        raise _refused(f"{str(path)!r} cannot be used", error) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ScheduleRefusedError(f"{str(path)!r} cannot be read: {error}", "name a JSON file") from error


def _refused(what: str, error: ValidationError) -> ScheduleRefusedError:
    # without what was given: it may be a secret
    faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors(include_input=False)]
    return ScheduleRefusedError(f"{what}: {'; '.join(faults)}", "see docs/api.md for the fields")


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        reason = f"{text!r} is no time"
        raise ScheduleRefusedError(reason, "write --at 2026-03-29T07:30, or with an offset: …+02:00") from error


def _times(schedule: Schedule, moment: datetime) -> tuple[str, str]:
    """A moment in the machine's time and in the schedule's."""
    zones = (None, ZoneInfo(schedule.timezone))
    here, there = (f"{moment.astimezone(zone):%Y-%m-%d %H:%M %Z}" for zone in zones)
    return here, there


def _rest(schedule: Schedule) -> str:
    return "paused" if schedule.is_paused else "over"


def _show(schedule: Schedule, *, as_json: bool = False) -> None:
    if as_json:
        typer.echo(schedule.model_dump_json(indent=2))
        return
    console = Console(highlight=False)
    due = schedule.cron or "once"
    heading = f"{schedule.id} {schedule.name}: {due}, {schedule.timezone}; missed {schedule.missed}"
    console.print(Text(printable(f"{heading}, overlap {schedule.overlap}")))
    if schedule.last_due:
        outcome = schedule.last_error or f"run {schedule.last_run_id}"
        console.print(Text(printable(f"last: {_times(schedule, schedule.last_due)[0]}, {outcome}")))
    if schedule.next_due is None:
        console.print(_rest(schedule))
        return
    table = Table("next here", "next there", box=None)
    for moment in islice(schedule.times(datetime.now(UTC)), _NUM_TIMES):
        table.add_row(*_times(schedule, moment))
    console.print(table)


@asynccontextmanager
async def _store() -> AsyncGenerator[ScheduleStore]:
    settings = read_settings()
    async with redis_connection(settings) as redis:
        yield ScheduleStore(redis, Keys(settings.tenant), settings.run_ttl_seconds)


async def _create(asked: ScheduleRequest) -> Schedule:
    """Checked by the running service, which knows its tools and workflows, or else as one that starts now would."""
    settings = read_settings()
    async with _store() as store:
        schedule = Schedule.create(asked, store.tenant, datetime.now(UTC))
        if running := running_service(settings.data_dir):
            body = asked.model_dump(mode="json", exclude_unset=True, context=REVEALED)
            async with ServiceClient.open(settings, running) as client:
                return await store.get((await client.request("POST", "/api/schedules", body))["id"])
        # only a workflow names tools
        file = ToolsFile() if asked.request.workflow is None else settings.read_tools()
        async with open_tools(settings, file) as tools:
            experts, workflows = stored_expert_names(settings), WorkflowCatalog(settings.workflows)
            RunCheck(settings, lambda: experts, tools, workflows).checked(asked.request)
        await store.add(schedule)
    return schedule


async def _list() -> list[Schedule]:
    async with _store() as store:
        return await store.list()


async def _changed(named: str, action: str | None) -> Schedule:
    async with _store() as store:
        found = [schedule for schedule in await store.list() if named in (schedule.id, schedule.name)]
        if not found:
            raise ScheduleNotFoundError(named)
        if len(found) > 1:
            ids = ", ".join(schedule.id for schedule in found)
            raise ScheduleRefusedError(f"{len(found)} schedules are called {named!r}", f"name one by its id: {ids}")
        match action:
            case "pause":
                return await store.change(found[0].id, Schedule.paused)
            case "resume":
                return await store.change(found[0].id, lambda kept: kept.resumed(datetime.now(UTC)))
            case "delete":
                return await store.delete(found[0].id)
            case _:
                return found[0]
