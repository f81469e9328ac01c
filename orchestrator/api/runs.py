"""Runs over HTTP: create, read, answer, cancel, follow."""

import logging
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sse_starlette import EventSourceResponse, ServerSentEvent

from graphs.person import PersonAnswer
from orchestrator.api.injection import CallerDependency, ServiceDependency
from orchestrator.errors import RedisUnavailableError, RunNotFoundError
from orchestrator.events import TraceEntry
from orchestrator.run import Run
from orchestrator.run_request import RunRequest
from orchestrator.service import Service
from orchestrator.trace_store import FROM_THE_START

router = APIRouter(prefix="/api/runs", tags=["runs"])

_LOG = logging.getLogger(__name__)
_PING_SECONDS = 15


class ForkRequest(BaseModel):
    """From which step on another run is to differ, and how."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    step: int = Field(ge=1)
    edits: dict[str, str] = Field(default_factory=dict[str, str], alias="set")
    """`text` and `expert` of the step, or its `result`."""


class RunPage(BaseModel):
    """Runs, the newest first."""

    runs: list[Run]


@router.post("", status_code=202)
async def create_run(
    request: RunRequest,
    service: ServiceDependency,
    response: Response,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
) -> Run:
    """Start a run. Its id comes back at once; follow it at `Location` and `Location`/events.

    A request with the `Idempotency-Key` of an earlier one gets that one's run.
    """
    return await start_run(request, service, response, idempotency_key)


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


@router.post("/{run_id}/steps/{step}/answer")
async def answer_step(
    run_id: str,
    step: Annotated[int, Path(ge=1)],
    answer: PersonAnswer,
    service: ServiceDependency,
    caller: CallerDependency,
) -> Run:
    """Answer a step that waits for a person, once; 409 if somebody was faster, or the step waits for nothing."""
    return await service.answers.answer(run_id, step, answer, caller.name)


@router.post("/{run_id}/resume", status_code=202)
async def resume_run(run_id: str, service: ServiceDependency, response: Response) -> Run:
    """Start a run that keeps the finished steps of one that has not succeeded."""
    return _located(await service.resume(run_id), response)


@router.post("/{run_id}/fork", status_code=202)
async def fork_run(run_id: str, request: ForkRequest, service: ServiceDependency, response: Response) -> Run:
    """Start a run that keeps the finished steps of an ended one but those from a step on."""
    return _located(await service.fork(run_id, request.step, request.edits), response)


@router.get("/{run_id}/events", response_class=EventSourceResponse)
async def follow_run(
    run_id: str,
    service: ServiceDependency,
    last_event_id: Annotated[str | None, Header(pattern=r"^(\d{1,19}(-\d{1,19})?)?$")] = None,
) -> EventSourceResponse:
    """The trace as server-sent events, from behind `Last-Event-ID` on, until `run_finished`.

    It stays open behind `run_interrupted`; who does not want to wait leaves, and comes back with the last id.
    """
    await service.runs.status(run_id)
    entries = service.events(run_id, last_event_id or FROM_THE_START)
    return EventSourceResponse(_server_sent(entries), ping=_PING_SECONDS)


async def start_run(
    request: RunRequest, service: Service, response: Response, idempotency_key: str | None, thread_id: str | None = None
) -> Run:
    """The new run, alone or in a thread; the response names its place."""
    keyed = request.model_copy(update={"idempotency_key": idempotency_key or request.idempotency_key})
    return _located(await service.start(keyed, thread_id), response)


def _located(run: Run, response: Response) -> Run:
    response.headers["Location"] = f"{router.prefix}/{run.id}"
    return run


async def _server_sent(entries: AsyncIterator[TraceEntry]) -> AsyncIterator[ServerSentEvent]:
    try:
        async for entry in entries:
            yield ServerSentEvent(id=entry.id, event=entry.event.type, data=entry.event.model_dump_json())
    except (RedisUnavailableError, RunNotFoundError) as error:
        # the headers are out; the client comes back with its last id
        _LOG.warning("a stream of events was cut: %s", error)
