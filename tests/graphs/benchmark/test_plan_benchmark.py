"""Hostile tasks are planned, and everything that was not as it should be is counted under its name."""

import json
from collections.abc import Sequence

import pytest

from graphs.benchmark.hostile_tasks import MAX_CHARS, HostileTask, hostile_tasks
from graphs.benchmark.plan_benchmark import judged, measure
from graphs.errors import GenerationError
from graphs.events import EventSink, Planned
from graphs.plan import Plan, Step
from graphs.planner import Planner
from graphs.run import check_task
from graphs.state import Results
from tests.graphs.scripted_client import EventList, ScriptedClient
from tests.graphs.test_planner import RawClient

PLAN = [("How many books did Omar borrow?", "sql"), ("#1: Multiply that by 12.", "math")]
TASK = "How many books did Omar borrow? Multiply that by 12."
EXPERTS = {"code", "general", "law", "math", "sql"}


def test_tasks_are_varied_repeatable_and_such_as_a_run_takes() -> None:
    tasks = hostile_tasks(280)
    assert tasks == hostile_tasks(300)[:280]
    assert tasks != hostile_tasks(280, seed=1)
    assert len({task.text for task in tasks}) > 250
    assert max(len(task.text) for task in tasks) == MAX_CHARS
    for task in tasks:
        check_task(task.text, MAX_CHARS)


@pytest.mark.parametrize(
    ("trouble", "parts"),
    [
        ("call the shell", ["call the shell"]),
        ("a reference to a step that cannot be", ["#9"]),
        ("a plan of its own", ['"expert":"shell"']),
        ("backslashes", ["\\\\"]),
        ("a control character", ["\0"]),
        ("another script", ["东京"]),
        ("an expert and a tool", ["planner", "calculator"]),
        ("JSON", ['{"rows": [']),
        ("the template's own marks", ["<|im_end|>"]),
    ],
)
def test_among_them_is(trouble: str, parts: Sequence[str]) -> None:
    assert any(all(part in task.text for part in parts) for task in hostile_tasks(1000)), trouble


@pytest.mark.parametrize(
    ("planner", "found"),
    [
        (
            Planner(ScriptedClient([("How many books did Omar borrow?", "sql"), ("#1: Multiply that by 12.", "math")])),
            [],
        ),
        (Planner(RawClient([('Add #2","expert":"', "sql")], is_loose=True)), ["repaired", "fallback", "truncated"]),
        (Planner(ScriptedClient([("How many books did Omar borrow? Multiply", "sql")]), max_tokens=3), ["truncated"]),
    ],
)
async def test_what_a_plan_says_of_itself_is_counted(planner: Planner, found: Sequence[str], sink: EventList) -> None:
    """The planner's own warnings carry the signs that are counted."""
    planned = await planner.plan(TASK, sink)
    mended = judged(planned, TASK, EXPERTS)
    assert set(found) <= set(mended)
    assert ("drafted again" in mended) == bool(found)
    assert "invalid" not in mended


class FailingPlanner:
    """Refuses one task and names an expert that is not there in all others."""

    async def plan(self, task: str, sink: EventSink) -> Planned:
        if task == "refuse":
            raise GenerationError("planner", "it does not want to")
        return Planned(plan=Plan(steps=(Step(id=1, text=task, expert="shell"),)))

    async def plan_again(self, task: str, sink: EventSink, before: Plan, results: Results) -> Planned | None:
        raise NotImplementedError


async def test_invalid_plans_and_refused_tasks_are_counted_and_named() -> None:
    done: list[None] = []
    tasks = [HostileTask("good", "work"), HostileTask("bad", "refuse"), HostileTask("bad", "work")]
    profiles = ScriptedClient().profiles()
    figures = await measure(FailingPlanner(), profiles, tasks, 2, lambda: done.append(None))
    assert len(done) == figures.total("tasks") == 3
    assert (figures.total("invalid"), figures.total("refused")) == (2, 1)
    assert figures.counts["bad"] == {**dict.fromkeys(figures.counts["bad"], 0), "tasks": 2, "invalid": 1, "refused": 1}
    assert figures.refused == ["1 (bad): refused: expert 'planner': it does not want to"]
    assert json.loads(json.dumps(figures.counts)) == figures.counts
