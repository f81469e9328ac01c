"""Threads over HTTP: conversations, their runs and their turns."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from graphs.turn import Turn
from orchestrator.api.injection import CallerDependency, ServiceDependency
from orchestrator.api.runs import RunPage, start_run
from orchestrator.run import Run
from orchestrator.run_request import RunRequest
from orchestrator.thread import Thread

router = APIRouter(prefix="/api/threads", tags=["threads"])

Limit = Annotated[int, Query(ge=1, le=200)]


class ThreadRequest(BaseModel):
    """A thread to be made."""

    model_config = ConfigDict(extra="forbid")

    thread_id: str | None = None
    """Without it the service chooses one."""
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])


class ThreadChange(BaseModel):
    """Values of the metadata that are set; one that is null is dropped."""

    model_config = ConfigDict(extra="forbid")

    metadata: dict[str, Any]


class ThreadPage(BaseModel):
    """Threads, the one that was used last first."""

    threads: list[Thread]


class TurnPage(BaseModel):
    """Turns, the oldest first."""

    turns: list[Turn]


@router.post("", status_code=201)
async def create_thread(
    service: ServiceDependency, caller: CallerDependency, response: Response, request: ThreadRequest | None = None
) -> Thread:
    """Make a thread."""
    asked = request or ThreadRequest()
    thread = await service.threads.create(asked.thread_id, asked.metadata, caller.name)
    response.headers["Location"] = f"{router.prefix}/{thread.id}"
    return thread


@router.get("")
async def list_threads(service: ServiceDependency, limit: Limit = 20) -> ThreadPage:
    """Those that were used last."""
    return ThreadPage(threads=await service.threads.newest(limit))


@router.get("/{thread_id}")
async def get_thread(thread_id: str, service: ServiceDependency) -> Thread:
    """One thread."""
    return await service.threads.get(thread_id)


@router.patch("/{thread_id}")
async def change_thread(thread_id: str, request: ThreadChange, service: ServiceDependency) -> Thread:
    """Set values of its metadata."""
    return await service.threads.update(thread_id, request.metadata)


@router.delete("/{thread_id}", status_code=204)
async def delete_thread(thread_id: str, service: ServiceDependency) -> None:
    """Cancel its open runs, and delete it with all of its runs."""
    await service.threads.delete(thread_id, service.cancel)


@router.post("/{thread_id}/runs", status_code=202)
async def create_run(
    thread_id: str,
    request: RunRequest,
    service: ServiceDependency,
    response: Response,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
) -> Run:
    """Start a run in the thread, which sees the turns before it. While another one is open it waits, or is refused."""
    return await start_run(request, service, response, idempotency_key, thread_id)


@router.get("/{thread_id}/runs")
async def list_runs(thread_id: str, service: ServiceDependency, limit: Limit = 20) -> RunPage:
    """Its newest runs."""
    return RunPage(runs=await service.threads.runs(thread_id, limit))


@router.get("/{thread_id}/turns")
async def list_turns(thread_id: str, service: ServiceDependency, limit: Limit = 20) -> TurnPage:
    """Its newest turns."""
    await service.threads.get(thread_id)
    return TurnPage(turns=await service.threads.turns(thread_id, limit))
