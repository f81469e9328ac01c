"""The benchmark, on a clock that jumps: then the makespan is the critical path."""

from random import Random
from unittest.mock import Mock, call

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from graphs.benchmark import dispatch_benchmark
from graphs.benchmark.dispatch_benchmark import WITHOUT_REDIS, DispatchBenchmark, Ratios, dispatched, plain
from graphs.benchmark.random_plans import TimedPlan, chained_plan, random_plan, random_plans
from graphs.plan import Plan, Step
from graphs.plan_graphs import PlanGraphs
from graphs.rounds import Saving
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


async def test_the_bare_graph_keeps_its_checkpoints_where_it_is_told() -> None:
    saver = InMemorySaver()
    await plain(chained_plan(3), Saving(PlanGraphs(saver), "thread"))
    newest = await saver.aget_tuple({"configurable": {"thread_id": "thread"}})
    assert newest is not None and sorted(newest.checkpoint["channel_values"]["results"]) == [1, 2, 3]


def test_all_figures_are_measured_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch_benchmark, "SIZES", (2, 5))
    told = Mock()
    benchmark = DispatchBenchmark(WITHOUT_REDIS, 3, 2, 0, told)

    figures = run_virtually(benchmark.measure())

    assert set(figures.step_costs) == set(figures.chain_costs) == {2, 5}
    assert [timed.num_steps for timed in figures.times] == [len(one.plan.steps) for one in random_plans(3)]
    assert set(figures.ratios) == {"makespan", "plain_makespan", "plain_to_ours"}
    seen = [one for one in told.call_args_list if one.args[0] == "plans"]
    assert seen == [call("plans", done, 3) for done in range(4)]
