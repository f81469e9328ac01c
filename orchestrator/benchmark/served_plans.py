"""Plans run as a service runs them, Redis, trace, memo and checkpoints included; and by LangGraph alone."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Self

from redis.asyncio import Redis

from graphs.benchmark.dispatch_benchmark import TASK, Ways, plain
from graphs.benchmark.random_plans import TimedPlan
from graphs.plan_graphs import PlanGraphs
from graphs.rounds import Saving
from orchestrator.benchmark.run_tally import RunTally
from orchestrator.benchmark.simulated_host import open_simulated
from orchestrator.run import new_run_id
from orchestrator.service import Service
from orchestrator.settings import Settings


@dataclass(frozen=True, slots=True)
class ServedPlans:
    """Of one service, which takes its runs from the queue. Opened by `open`."""

    service: Service
    redis: Redis
    run_ids: list[str] = field(default_factory=list[str])
    """Of all runs so far."""

    @classmethod
    @asynccontextmanager
    async def open(cls, redis: Redis, settings: Settings, seconds: Mapping[str, float]) -> AsyncGenerator[Self]:
        """`seconds` by the text of a step. Raises what Service.open raises."""
        async with Service.open(settings, open_simulated(seconds)) as service:
            yield cls(service, redis)

    @property
    def ways(self) -> Ways:
        """LangGraph's own has the same checkpointer, and neither trace nor memo."""
        return Ways(self._ours, self._plain)

    async def tally(self) -> RunTally:
        """What has become of all runs."""
        return await RunTally.of(self.redis, self.service.runs, self.run_ids)

    async def _ours(self, timed: TimedPlan) -> None:
        """From the request until whoever waits hears of the end."""
        fields = {"id", "text", "expert", "depends_on"}
        steps = [step.model_dump(mode="json", include=fields) for step in timed.plan.steps]
        run = await self.service.submit(TASK, steps)
        self.run_ids.append(run.id)
        await self.service.wait(run.id)

    async def _plain(self, timed: TimedPlan) -> None:
        await plain(timed, Saving(PlanGraphs(self.service.checkpointer), new_run_id()))
