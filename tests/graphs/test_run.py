"""From the task to the answer, with scripted experts and the real tools."""

from pathlib import Path

import pytest

from graphs.errors import GenerationError, InvalidPlan, TaskError
from graphs.events import GraphEvent
from graphs.joiner import INSTRUCTION
from graphs.limits import Limits
from graphs.plan import Plan, Step
from graphs.protocols import Prompt, Tool
from graphs.run import run_task
from graphs.tools.calculator import Calculator
from graphs.tools.sql import SqlTool
from tests.graphs.scripted_client import EventList, ScriptedClient

TASK = "How many books did Omar Haddad borrow? Multiply that number by 12."
COUNT = "How many books did Omar Haddad borrow?"
QUERY = (
    "SELECT COUNT(*) FROM loans JOIN members ON loans.member_id = members.member_id WHERE members.name = 'Omar Haddad'"
)
PLAN = [(COUNT, "sql"), ("Multiply #1 by 12.", "math")]
ANSWERS = {
    "sql": {COUNT: QUERY},
    "math": {"Multiply 3 by 12.": "3 * 12"},
    "general": {INSTRUCTION: "Omar borrowed 3 books, which makes 36."},
}


@pytest.fixture
def tools(library: Path) -> dict[str, Tool]:
    return {"calculator": Calculator(), "sql": SqlTool(library)}


async def test_a_task_is_planned_run_and_answered(tools: dict[str, Tool], sink: EventList) -> None:
    limits = Limits(speculate=False)
    outcome = await run_task(TASK, client=ScriptedClient(PLAN, ANSWERS), tools=tools, sink=sink, limits=limits)
    assert outcome.status == "success"
    assert outcome.answer.answer == "Omar borrowed 3 books, which makes 36."
    assert [(result.id, result.status, result.result) for result in outcome.results] == [
        (1, "success", "3"),
        (2, "success", "36"),
    ]
    assert outcome.usage.num_prompt_tokens == 60 and outcome.usage.num_output_tokens > 20
    assert outcome.timings.total >= outcome.timings.plan + outcome.timings.answer > 0
    assert order_of(sink.events) == (
        ["plan_token", "step_planned"] * 2
        + ["plan_token", "drafted", "planned"]
        + ["step_started", "step_token", "tool_called", "step_finished"] * 2
    ) + ["answer_token", "answered"]


def order_of(events: list[GraphEvent]) -> list[str]:
    """The types of the events, runs of one type as one."""
    types = [event.type for event in events]
    return [kind for kind, before in zip(types, ["", *types], strict=False) if kind != before]


async def test_a_given_plan_is_run_without_the_planner(tools: dict[str, Tool], sink: EventList) -> None:
    plan = Plan(steps=tuple(Step(id=k, text=text, expert=name) for k, (text, name) in enumerate(PLAN, start=1)))
    client = ScriptedClient(answers=ANSWERS)
    outcome = await run_task(TASK, client=client, tools=tools, sink=sink, plan=plan)
    assert outcome.answer.source == "joiner"
    assert {expert for expert, _ in client.prompts} == {"sql", "math", "general"}


async def test_a_given_plan_needs_experts_that_are_there(sink: EventList) -> None:
    plan = Plan(steps=(Step(id=1, text="x", expert="poet"), Step(id=2, text="y", expert="planner")))
    with pytest.raises(InvalidPlan) as caught:
        await run_task(TASK, client=ScriptedClient(), tools={}, sink=sink, plan=plan)
    assert len(caught.value.faults) == 2
    assert sink.events == []


async def test_what_does_not_need_a_failed_step_goes_on(tools: dict[str, Tool], sink: EventList) -> None:
    task = TASK + " Halve 10."
    client = ScriptedClient([*PLAN, ("Halve 10.", "math")], {"math": {"Halve 10.": "10 / 2"}})
    outcome = await run_task(task, client=client, tools=tools, sink=sink)
    assert [result.status for result in outcome.results] == ["error", "skipped", "success"]
    assert outcome.status == "success"
    assert outcome.answer.source == "assembled"
    assert f"- {COUNT} → not answered: expert 'sql': the engine has stopped" in outcome.answer.answer
    assert "- Halve 10. → 5" in outcome.answer.answer


async def test_a_run_without_any_result_is_an_error(tools: dict[str, Tool], sink: EventList) -> None:
    outcome = await run_task(TASK, client=ScriptedClient(PLAN), tools=tools, sink=sink)
    assert outcome.status == "error"
    assert outcome.answer.answer.count("→ not answered") == 2


@pytest.mark.parametrize(
    ("task", "message"),
    [("", "is empty"), (" \n", "is empty"), ("x" * 101, "shorten it to 100"), ("\ud800", "valid Unicode")],
)
async def test_a_task_has_a_bounded_length(task: str, message: str, sink: EventList) -> None:
    with pytest.raises(TaskError, match=message):
        await run_task(task, client=ScriptedClient(), tools={}, sink=sink, limits=Limits(max_task_chars=100))


class SilentClient(ScriptedClient):
    """Its planner does not answer."""

    def write_plan(self, prompt: Prompt) -> str:
        raise GenerationError("planner", "the engine has stopped")


async def test_a_planner_that_fails_ends_the_run(sink: EventList) -> None:
    with pytest.raises(GenerationError, match="planner"):
        await run_task(TASK, client=SilentClient(PLAN), tools={}, sink=sink)


class FullSink(EventList):
    """Takes no step's end."""

    async def emit(self, event: GraphEvent) -> None:
        if event.type == "step_finished":
            raise ConnectionError("gone")
        await super().emit(event)


async def test_an_event_that_cannot_be_kept_stops_the_run(tools: dict[str, Tool]) -> None:
    with pytest.raises(ConnectionError, match="gone"):
        await run_task(TASK, client=ScriptedClient(PLAN, ANSWERS), tools=tools, sink=FullSink())
