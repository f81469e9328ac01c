"""Runs over HTTP: create, read, cancel, follow."""

import logging
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, ConfigDict
from sse_starlette import EventSourceResponse, ServerSentEvent

from graphs.budget import Budget
from orchestrator.api.injection import ServiceDependency
from orchestrator.errors import RedisUnavailableError, RunNotFoundError
from orchestrator.events import TraceEntry
from orchestrator.run import Run
from orchestrator.trace_store import FROM_THE_START

router = APIRouter(prefix="/api/runs", tags=["runs"])

_LOG = logging.getLogger(__name__)
_PING_SECONDS = 15


class RunRequest(BaseModel):
    """A task, a ready plan, or a plan for a task."""

    model_config = ConfigDict(extra="forbid")

    task: str | None = None
    plan: Any = None
    """A list of steps {id, text, expert}, or an object with `steps`."""
    limits: Budget | None = None
    """What the run may spend."""


class RunPage(BaseModel):
    """Runs, the newest first."""

    runs: list[Run]


@router.post("", status_code=202)
async def create_run(request: RunRequest, service: ServiceDependency, response: Response) -> Run:
    """Start a run. Its id comes back at once; follow it at `Location` and `Location`/events."""
    run = await service.submit(request.task, request.plan, request.limits)
    response.headers["Location"] = f"{router.prefix}/{run.id}"
    return run


@router.get("")
async def list_runs(service: ServiceDependency, limit: Annotated[int, Query(ge=1, le=200)] = 20) -> RunPage:
    """The newest runs."""
    return RunPage(runs=await service.runs.newest(limit))


@router.get("/{run_id}")
async def get_run(run_id: str, service: ServiceDependency) -> Run:
    """One run with its plan, its steps' results and its answer so far."""
    return await service.runs.get(run_id)


@router.post("/{run_id}/cancel")
async def cancel_run(run_id: str, service: ServiceDependency) -> Run:
    """End a run as cancelled; 409 if it has ended already."""
    return await service.cancel(run_id)


@router.get("/{run_id}/events", response_class=EventSourceResponse)
async def follow_run(
    run_id: str,
    service: ServiceDependency,
    last_event_id: Annotated[str | None, Header(pattern=r"^(\d{1,19}(-\d{1,19})?)?$")] = None,
) -> EventSourceResponse:
    """The trace as server-sent events, from behind `Last-Event-ID` on, until `run_finished`."""
    await service.runs.get(run_id)
    entries = service.events(run_id, last_event_id or FROM_THE_START)
    return EventSourceResponse(_server_sent(entries), ping=_PING_SECONDS)


async def _server_sent(entries: AsyncIterator[TraceEntry]) -> AsyncIterator[ServerSentEvent]:
    try:
        async for entry in entries:
            yield ServerSentEvent(id=entry.id, event=entry.event.type, data=entry.event.model_dump_json())
    except (RedisUnavailableError, RunNotFoundError) as error:
        # the headers are out; the client comes back with its last id
        _LOG.warning("a stream of events was cut: %s", error)
