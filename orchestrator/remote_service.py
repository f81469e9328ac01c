"""A running service on the same data directory: runs go to it over HTTP, their traces come from Redis."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self, cast

import httpx

from orchestrator.errors import RunRefusedError, ServeUnreachableError
from orchestrator.events import TraceEntry
from orchestrator.keys import Keys
from orchestrator.redis_connection import redis_connection
from orchestrator.run import Run, RunError
from orchestrator.run_store import RunStore
from orchestrator.settings import Settings
from orchestrator.trace_store import TraceStore

# a service that is loading its experts answers late
_TIMEOUT = httpx.Timeout(10.0, read=180.0)


class RemoteService:
    """Submit and watch runs of a running service."""

    def __init__(self, http: httpx.AsyncClient, runs: RunStore, traces: TraceStore) -> None:
        self.runs = runs
        self._http = http
        self._traces = traces

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings, url: str) -> AsyncGenerator[Self]:
        """Reach the service at `url`, and its Redis. Raises RedisUnavailableError."""
        async with redis_connection(settings) as redis, httpx.AsyncClient(base_url=url, timeout=_TIMEOUT) as http:
            runs = RunStore(redis, Keys(settings.tenant), settings.run_ttl_seconds)
            yield cls(http, runs, TraceStore(redis, runs))

    async def submit(self, task: str | None, plan: object = None) -> Run:
        """Start a run. Raises RunRefusedError with the service's own reason, or ServeUnreachableError."""
        return Run.model_validate(await self._post("/api/runs", {"task": task, "plan": plan}))

    async def cancel(self, run_id: str) -> Run:
        """End a run as cancelled. Raises RunRefusedError if it has ended, or ServeUnreachableError."""
        return Run.model_validate(await self._post(f"/api/runs/{run_id}/cancel", {}))

    def events(self, run_id: str) -> AsyncIterator[TraceEntry]:
        """The run's trace, followed to its end."""
        return self._traces.follow(run_id)

    async def push_expert(self, path: str) -> dict[str, Any]:
        """Push an expert into the running service. Raises RunRefusedError, ServeUnreachableError."""
        return await self._post("/api/experts", {"path": path})

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        try:
            response = await self._http.post(path, json=body)
        except httpx.HTTPError as error:
            raise ServeUnreachableError(str(self._http.base_url), str(error) or type(error).__name__) from error
        content = cast(dict[str, Any], response.json())
        if response.is_error:
            error = RunError.model_validate(content["error"])
            raise RunRefusedError(error.message, error.remedy)
        return content
