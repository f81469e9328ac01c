"""Runs of given plans, put into a queue that workers of other processes serve."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from redis.asyncio import Redis

from graphs.plan import Plan
from orchestrator.benchmark.run_tally import RunTally
from orchestrator.keys import Keys
from orchestrator.run import Run, Scheduling, new_run_id
from orchestrator.run_queue import RunQueue
from orchestrator.run_store import RunStore
from orchestrator.settings import Settings
from orchestrator.trace_store import TraceStore


@dataclass(frozen=True, slots=True)
class QueuedRuns:
    """In the queue of a tenant. All methods raise RedisUnavailableError."""

    redis: Redis
    store: RunStore
    ids: Sequence[str]

    @classmethod
    async def put(cls, redis: Redis, settings: Settings, plans: Sequence[Plan]) -> Self:
        """Make a run of each plan, and put it into the queue of the settings' tenant."""
        store = RunStore(redis, Keys(settings.tenant), settings.run_ttl_seconds)
        queue = RunQueue(redis, store.keys, "bench", settings.run_ttl_seconds)
        runs = [_run(number, plan, settings.tenant) for number, plan in enumerate(plans)]
        for run in runs:
            await store.create(run)
            await queue.put(run, Scheduling())
            await store.keep(run.id)
        return cls(redis, store, [run.id for run in runs])

    async def until_ended(self, on_ended: Callable[[int], None] = lambda _: None) -> None:
        """Return when all have ended; `on_ended` is told how many of the first ones have."""
        traces = TraceStore(self.redis, self.store)
        for number, run_id in enumerate(self.ids, 1):
            await traces.until_ended(run_id)
            on_ended(number)

    async def tally(self) -> RunTally:
        """What has become of them."""
        return await RunTally.of(self.redis, self.store, self.ids)


def _run(number: int, plan: Plan, tenant: str) -> Run:
    now = datetime.now(UTC)
    return Run(id=new_run_id(now), tenant=tenant, task=f"task {number}", plan=plan, is_plan_given=True, created=now)
