"""The benchmark, on a clock that jumps: then the makespan is the critical path."""

from random import Random

import pytest

from graphs.benchmark.dispatch_benchmark import Ratios, dispatched, plain
from graphs.benchmark.random_plans import TimedPlan, random_plan
from graphs.plan import Plan, Step
from tests.graphs.virtual_time import now, run_virtually


async def seconds_of(timed: TimedPlan, *, is_plain: bool) -> float:
    await (plain(timed) if is_plain else dispatched(timed))
    return now()


@pytest.mark.parametrize("seed", range(5))
def test_the_makespan_is_the_critical_path(seed: int) -> None:
    timed = random_plan(Random(seed), 12)
    assert run_virtually(seconds_of(timed, is_plain=False)) == pytest.approx(timed.critical_path)


def test_the_bare_graph_waits_at_each_superstep() -> None:
    needed = [(), (), (1,), (3,)]
    steps = (Step(id=k, text=f"step {k}", expert="general", depends_on=deps) for k, deps in enumerate(needed, 1))
    timed = TimedPlan(Plan(steps=tuple(steps)), {1: 0.1, 2: 0.5, 3: 0.1, 4: 0.1})
    assert run_virtually(seconds_of(timed, is_plain=True)) == pytest.approx(0.7)
    assert run_virtually(seconds_of(timed, is_plain=False)) == pytest.approx(0.5)


def test_two_hundred_steps() -> None:
    timed = random_plan(Random(1), 200)
    assert run_virtually(seconds_of(timed, is_plain=False)) == pytest.approx(timed.critical_path)


def test_ratios_are_quantiles() -> None:
    assert Ratios.of([1.0, 2.0, 3.0, 4.0, 5.0]) == Ratios(3.0, 4.8, 5.0)
