"""A running service on the same data directory: runs go to it over HTTP, their traces come from Redis."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self

from graphs.budget import Budget
from orchestrator.answer_store import AnswerStore
from orchestrator.cancellation import Cancellation
from orchestrator.data_directory import Announcement
from orchestrator.delivery_store import DeliveryStore
from orchestrator.events import TraceEntry
from orchestrator.keys import Keys
from orchestrator.redis_connection import redis_connection
from orchestrator.run import AT_ONCE, Mode, Run, Scheduling
from orchestrator.run_queue import RunQueue
from orchestrator.run_store import RunStore
from orchestrator.service_client import ServiceClient
from orchestrator.settings import Settings
from orchestrator.thread_store import ThreadStore
from orchestrator.trace_store import TraceStore


class RemoteService:
    """Submit, watch and cancel runs of a running service, as Service does."""

    def __init__(
        self,
        client: ServiceClient,
        runs: RunStore,
        traces: TraceStore,
        answers: AnswerStore,
        threads: ThreadStore,
        cancellation: Cancellation,
    ) -> None:
        self.runs = runs
        self.answers = answers
        self.threads = threads
        self._client = client
        self._traces = traces
        self._cancellation = cancellation

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings, running: Announcement) -> AsyncGenerator[Self]:
        """Reach a running service, and its Redis. Raises RedisUnavailableError."""
        async with redis_connection(settings) as redis, ServiceClient.open(settings, running) as client:
            keys, ttl = Keys(settings.tenant), settings.run_ttl_seconds
            runs = RunStore(redis, keys, ttl, settings.trace_limits)
            queue, traces = RunQueue(redis, keys, "", ttl), TraceStore(redis, runs)
            answers, threads = AnswerStore(redis, runs, queue), ThreadStore(redis, keys, runs, ttl)
            cancellation = Cancellation(runs, queue, DeliveryStore(redis, keys, settings))
            yield cls(client, runs, traces, answers, threads, cancellation)

    async def submit(
        self,
        task: str | None,
        plan: object = None,
        scheduling: Scheduling = AT_ONCE,
        limits: Budget | None = None,
        *,
        thread_id: str | None = None,
        mode: Mode = Mode.AUTO,
    ) -> Run:
        """Start a run. Raises RunRefusedError, ServeUnreachableError."""
        spending = limits.model_dump() if limits else None
        body = {"task": task, "plan": plan, "limits": spending, "mode": mode, **scheduling.model_dump(mode="json")}
        path = "/api/runs" if thread_id is None else f"/api/threads/{thread_id}/runs"
        return await self._started(path, body)

    async def submit_workflow(
        self,
        workflow: object,
        inputs: Mapping[str, Any],
        scheduling: Scheduling = AT_ONCE,
        limits: Budget | None = None,
    ) -> Run:
        """Start a run of a workflow. Raises RunRefusedError, ServeUnreachableError."""
        spending = limits.model_dump() if limits else None
        body = {"workflow": workflow, "inputs": inputs, "limits": spending, **scheduling.model_dump(mode="json")}
        return await self._started("/api/runs", body)

    async def resume(self, run_id: str) -> Run:
        """Start a run that goes on from another one. Raises RunRefusedError, ServeUnreachableError."""
        return await self._started(f"/api/runs/{run_id}/resume")

    async def fork(self, run_id: str, step: int, edits: Mapping[str, str]) -> Run:
        """Start a run that differs from another one from a step on. Raises RunRefusedError, ServeUnreachableError."""
        body = {"step": step, "set": dict(edits)}
        return await self._started(f"/api/runs/{run_id}/fork", body)

    async def run_schedule(self, schedule_id: str) -> Run:
        """Start a run of a schedule now. Raises RunRefusedError, ServeUnreachableError."""
        return await self._started(f"/api/schedules/{schedule_id}/run")

    async def _started(self, path: str, body: dict[str, Any] | None = None) -> Run:
        """The run of the answer as its record has it: over HTTP the secret of a webhook is masked."""
        return await self.runs.get((await self._client.request("POST", path, body))["id"])

    async def cancel(self, run_id: str, reason: str = "cancelled on request") -> Run:
        """End a run as cancelled. Raises RunNotFoundError, RunEndedError."""
        return await self._cancellation.cancel(run_id, reason)

    def events(self, run_id: str) -> AsyncIterator[TraceEntry]:
        """The run's trace, followed to its end. Raises RunNotFoundError."""
        return self._traces.follow(run_id)
