"""Makespan against the critical path, beside the bare StateGraph on the same plans, and the cost of a step."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from random import Random
from typing import Any

from graphs.benchmark.random_plans import TimedPlan, chained_plan, random_plan, random_plans, seconds_by_text
from graphs.benchmark.simulated_experts import NoSink, SimulatedExperts
from graphs.compile import compile_plan
from graphs.events import Planned
from graphs.joiner import Joiner
from graphs.rounds import Saving
from graphs.run import run_task
from graphs.step_runner import StepRunner

TASK = "A task of many steps."
SIZES = (5, 12, 25, 50, 100, 200)
REPEATS = 5
Run = Callable[[TimedPlan], Awaitable[None]]
OnProgress = Callable[[str, int, int], None]
"""Is told what is being done, how much of it is done, and of how much."""


@dataclass(frozen=True, slots=True)
class Ratios:
    """Times as multiples of something, over all plans."""

    p50: float
    p95: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Ratios":
        """Of at least two values."""
        cuts = statistics.quantiles(values, n=20, method="inclusive")
        return cls(statistics.median(values), cuts[18], max(values))


@dataclass(frozen=True, slots=True)
class PlanTimes:
    """Seconds that one plan takes."""

    num_steps: int
    critical_path: float
    ours: float
    """Joiner included."""
    plain: float
    """Of LangGraph alone."""


@dataclass(frozen=True, slots=True)
class StepCost:
    """A run's milliseconds for each of its steps, with experts that take no time."""

    elapsed: float
    processor: float
    """Of this process; on a machine with nothing else to do, the rest is waiting for Redis."""


@dataclass(frozen=True, slots=True)
class GraphFigures:
    """Of runs one by one."""

    times: tuple[PlanTimes, ...]
    step_costs: dict[int, StepCost]
    """Of random plans, by their number of steps."""
    chain_costs: dict[int, StepCost]
    """The same where each step needs the one before it: nothing overlaps."""

    @property
    def ratios(self) -> dict[str, Ratios]:
        """Ours and LangGraph's time against the critical path, and LangGraph's against ours."""
        return {
            "makespan": Ratios.of([one.ours / one.critical_path for one in self.times]),
            "plain_makespan": Ratios.of([one.plain / one.critical_path for one in self.times]),
            "plain_to_ours": Ratios.of([one.plain / one.ours for one in self.times]),
        }

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return {"num_plans": len(self.times), **{k: asdict(one) for k, one in self.ratios.items()}, **asdict(self)}


@dataclass(frozen=True, slots=True)
class Ways:
    """How a plan is run, and how LangGraph alone runs it."""

    ours: Run
    plain: Run


async def dispatched(timed: TimedPlan) -> None:
    """A run as the service makes it, without Redis."""
    await run_task(TASK, client=_experts(timed), tools={}, sink=NoSink(), plan=timed.plan)


async def plain(timed: TimedPlan, saving: Saving | None = None) -> None:
    """The same steps in the same graph, started by LangGraph; nobody is told, nothing but checkpoints is kept."""
    client, sink = _experts(timed), NoSink()
    runner = StepRunner(TASK, timed.plan, client, {}, sink)
    joiner = Joiner(TASK, Planned(plan=timed.plan, source="given"), client, sink)
    graph = compile_plan(
        timed.plan, runner.run, joiner.join, checkpointer=saving.graphs.checkpointer if saving else None
    )
    inputs: Any = {"results": {}, "answer": None}
    await graph.ainvoke(inputs, **(saving.options if saving else {}))


WITHOUT_REDIS = Ways(dispatched, plain)


@dataclass(frozen=True, slots=True)
class DispatchBenchmark:
    """Some plans run at once, to take less time; more of them disturb each other."""

    ways: Ways
    num_plans: int
    at_once: int
    seed: int
    on_progress: OnProgress

    async def measure(self) -> GraphFigures:
        """All figures, one after the other, each way once before it counts."""
        plans = random_plans(self.num_plans, self.seed)
        for run in (self.ways.ours, self.ways.plain):
            await run(chained_plan(2))
        ours = await self._times("plans", self.ways.ours, plans)
        theirs = await self._times("plans, bare StateGraph", self.ways.plain, plans)
        times = (
            PlanTimes(len(timed.plan.steps), timed.critical_path, own, their)
            for timed, own, their in zip(plans, ours, theirs, strict=True)
        )
        drawn = {size: random_plan(Random(self.seed), size, (0.0, 0.0)) for size in SIZES}
        chained = {size: chained_plan(size) for size in SIZES}
        return GraphFigures(
            tuple(times),
            await self._step_costs("cost of a step, random plans", drawn),
            await self._step_costs("cost of a step, chains", chained),
        )

    async def _times(self, what: str, run: Run, plans: Sequence[TimedPlan]) -> list[float]:
        slots, ended = asyncio.Semaphore(self.at_once), list[TimedPlan]()
        self.on_progress(what, 0, len(plans))

        async def timed_run(timed: TimedPlan) -> float:
            async with slots:
                seconds = await _seconds(run, timed)
            ended.append(timed)
            self.on_progress(what, len(ended), len(plans))
            return seconds

        return await asyncio.gather(*(timed_run(timed) for timed in plans))

    async def _step_costs(self, what: str, plans: dict[int, TimedPlan]) -> dict[int, StepCost]:
        costs: dict[int, StepCost] = {}
        for size, timed in plans.items():
            self.on_progress(what, len(costs), len(plans))
            costs[size] = await self._step_cost(timed)
        self.on_progress(what, len(costs), len(plans))
        return costs

    async def _step_cost(self, timed: TimedPlan) -> StepCost:
        """The medians of some runs."""
        elapsed, processor = list[float](), list[float]()
        for _ in range(REPEATS):
            began = time.process_time()
            elapsed.append(await _seconds(self.ways.ours, timed))
            processor.append(time.process_time() - began)
        num_steps = len(timed.plan.steps)
        return StepCost(*(1000 * statistics.median(seconds) / num_steps for seconds in (elapsed, processor)))


async def _seconds(run: Run, timed: TimedPlan) -> float:
    began = time.perf_counter()
    await run(timed)
    return time.perf_counter() - began


def _experts(timed: TimedPlan) -> SimulatedExperts:
    return SimulatedExperts(seconds_by_text([timed]))
