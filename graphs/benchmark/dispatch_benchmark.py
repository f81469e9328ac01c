"""Makespan against the critical path, beside the bare StateGraph on the same plans, and the cost of a step."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from random import Random

from graphs.benchmark.random_plans import TimedPlan, random_plan, random_plans
from graphs.benchmark.simulated_experts import NoSink, SimulatedExperts
from graphs.compile import compile_plan
from graphs.events import Planned
from graphs.joiner import Joiner
from graphs.run import run_task
from graphs.step_runner import StepRunner

TASK = "A task of many steps."
SIZES = (5, 12, 25, 50, 100, 200)
REPEATS = 5
Run = Callable[[TimedPlan], Awaitable[None]]


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
class StepCost:
    """A run's milliseconds for each of its steps, with experts that take no time."""

    elapsed: float
    processor: float
    """Of the processor: on a machine with nothing else to do, both are alike."""


@dataclass(frozen=True, slots=True)
class GraphFigures:
    """What `ccoe bench graph` tells."""

    num_plans: int
    at_once: int
    makespan: Ratios
    """Against the critical path, joiner included."""
    plain_makespan: Ratios
    """The same of LangGraph alone."""
    plain_to_ours: Ratios
    step_costs: dict[int, StepCost]
    """By the number of a plan's steps."""


async def dispatched(timed: TimedPlan) -> None:
    """A run as the service makes it."""
    await run_task(TASK, client=_experts(timed), tools={}, sink=NoSink(), plan=timed.plan)


async def plain(timed: TimedPlan) -> None:
    """The same steps in the same graph, started by LangGraph."""
    client, sink = _experts(timed), NoSink()
    runner = StepRunner(TASK, timed.plan, client, {}, sink)
    joiner = Joiner(TASK, Planned(plan=timed.plan, source="given"), client, sink)
    await compile_plan(timed.plan, runner.run, joiner.join).ainvoke({"results": {}, "answer": None})


async def measure(num_plans: int, at_once: int, seed: int, tell: Callable[[str], None]) -> GraphFigures:
    """All figures, one after the other. Some plans run at once, to take less time; more of them disturb each other."""
    plans = random_plans(num_plans, seed)
    tell("a first run of each kind")
    for run in (dispatched, plain):
        await run(TimedPlan(plans[0].plan, {step.id: 0.0 for step in plans[0].plan.steps}))
    seconds: dict[str, list[float]] = {}
    for name, run in (("dispatcher", dispatched), ("StateGraph", plain)):
        tell(f"{num_plans} plans, {name}")
        seconds[name] = await _times(run, plans, at_once)
    paths = [timed.critical_path for timed in plans]
    ours, theirs = seconds["dispatcher"], seconds["StateGraph"]
    tell("the cost of a step")
    return GraphFigures(
        num_plans,
        at_once,
        Ratios.of([own / path for own, path in zip(ours, paths, strict=True)]),
        Ratios.of([their / path for their, path in zip(theirs, paths, strict=True)]),
        Ratios.of([their / own for their, own in zip(theirs, ours, strict=True)]),
        {size: await _step_cost(size, seed) for size in SIZES},
    )


async def _times(run: Run, plans: Sequence[TimedPlan], at_once: int) -> list[float]:
    slots = asyncio.Semaphore(at_once)

    async def timed_run(timed: TimedPlan) -> float:
        async with slots:
            started = time.perf_counter()
            await run(timed)
            return time.perf_counter() - started

    return await asyncio.gather(*(timed_run(timed) for timed in plans))


async def _step_cost(num_steps: int, seed: int) -> StepCost:
    """The medians of some runs."""
    timed = random_plan(Random(seed), num_steps, (0.0, 0.0))
    elapsed: list[float] = []
    processor: list[float] = []
    for _ in range(REPEATS):
        began = time.process_time()
        elapsed += await _times(dispatched, [timed], 1)
        processor.append(time.process_time() - began)
    return StepCost(*(1000 * statistics.median(seconds) / num_steps for seconds in (elapsed, processor)))


def _experts(timed: TimedPlan) -> SimulatedExperts:
    return SimulatedExperts({step.text: timed.seconds[step.id] for step in timed.plan.steps})
