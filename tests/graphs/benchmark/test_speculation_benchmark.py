"""What begins early is measured beside what does not, on tasks that are alike."""

from graphs.benchmark.speculation_benchmark import Latency, measure_speculation
from tests.graphs.timed_experts import Try
from tests.graphs.timed_planner import TimedPlanner

TASK = "Name 3 trees. Name a bird."
PLAN = [("Name 3 trees.", "law"), ("Name a bird.", "medical")]


async def test_both_ways_are_measured_on_every_pair() -> None:
    tries = {(expert, text): [Try(seconds=0.01)] for text, expert in PLAN}
    client, told = TimedPlanner(tries, drafts=[PLAN], seconds=0.05), list[str]()
    figures = await measure_speculation([(TASK, TASK)] * 3, client, {}, told.append)
    assert (figures.num_tasks, figures.num_planned_twice) == (3, 0)
    assert set(client.asked.values()) == {7}
    assert figures.on.first_step < figures.on.plan, "before the plan is written"
    assert figures.off.first_step > figures.off.plan
    assert all(0 < one.first_answer <= one.total for one in (figures.on, figures.off))
    assert set(figures.ratios) == set(Latency.__slots__) and figures.ratios["first_step"] < 1
    assert told[0] == "a first run" and len(told) == 7
