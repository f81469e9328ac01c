"""A remote planner in another round: it is told what is finished, and writes only what follows."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from graphs.budget import Budget, Meter
from graphs.errors import GenerationError
from graphs.events import StepResult
from graphs.plan import Plan, Step
from graphs.protocols import Reply
from graphs.remote_planner import RemotePlanner
from graphs.state import Results
from tests.graphs.scripted_client import EventList, ScriptedClient

TASK = "Say in a word who wrote ticket #4."
BEFORE = Plan(
    steps=(
        Step(id=1, text="Find the ticket No. 4.", expert="sql"),
        Step(id=2, text="Who wrote #1?", expert="law"),
    )
)
RESULTS: Results = {
    1: StepResult(id=1, status="success", result="a ticket"),
    2: StepResult(id=2, status="error", error="it broke"),
}


@dataclass
class ScriptedModel:
    """Replies in turn."""

    replies: Sequence[Sequence[Mapping[str, Any]]]
    asked: list[Sequence[Mapping[str, str]]] = field(default_factory=list[Sequence[Mapping[str, str]]])

    async def complete(self, messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any]) -> Reply:
        self.asked.append([*messages])
        return Reply(json.dumps({"steps": self.replies[len(self.asked) - 1]}), True, 10, 5)


async def test_another_round_goes_on_behind_the_finished_steps(sink: EventList) -> None:
    model = ScriptedModel([[{"id": 2, "text": "Name the author of #1, who it says.", "expert": "general"}]])
    planned = await RemotePlanner(model, ScriptedClient(), Meter(Budget())).plan_again(TASK, sink, BEFORE, RESULTS)
    assert planned is not None
    assert [(step.id, step.text, step.round) for step in planned.plan.steps] == [
        (1, "Find the ticket No. 4.", 1),
        (2, "Who wrote #1?", 1),
        (3, "Name the author of #1, who it says.", 2),
    ]
    assert "numbered from 2 on" in model.asked[0][0]["content"]
    finished, failed = model.asked[0][2]["content"].splitlines()[1:]
    assert ("Find the ticket No. 4." in finished, "Who wrote #1?" in failed) == (True, True)


async def test_another_round_of_what_has_failed_is_none(sink: EventList) -> None:
    model = ScriptedModel([[{"id": 2, "text": "Who wrote #1?", "expert": "law"}]])
    planner = RemotePlanner(model, ScriptedClient(), Meter(Budget()))
    assert await planner.plan_again(TASK, sink, BEFORE, RESULTS) is None


async def test_another_round_may_not_begin_anew(sink: EventList) -> None:
    again = [{"id": 1, "text": "Find the ticket No. 4.", "expert": "sql"}]
    planner = RemotePlanner(ScriptedModel([again, again]), ScriptedClient(), Meter(Budget()))
    with pytest.raises(GenerationError, match="used twice"):
        await planner.plan_again(TASK, sink, BEFORE, RESULTS)


async def test_a_number_sign_of_the_task_is_shown_as_no_reference(sink: EventList) -> None:
    model = ScriptedModel([[{"id": 1, "text": "Who wrote ticket No. 4?", "expert": "sql"}]])
    planned = await RemotePlanner(model, ScriptedClient(), Meter(Budget())).plan(TASK, sink)
    assert model.asked[0][1]["content"] == "Task: Say in a word who wrote ticket No. 4."
    assert planned.plan.steps[0].depends_on == ()


async def test_repeated_steps_are_merged_as_those_of_the_own_planner(sink: EventList) -> None:
    twice = [{"id": k, "text": "Who wrote ticket No. 4?", "expert": "sql"} for k in (1, 2)]
    model = ScriptedModel([twice, twice])
    planned = await RemotePlanner(model, ScriptedClient(), Meter(Budget())).plan(TASK, sink)
    assert len(planned.plan.steps) == 1


async def test_a_model_asks_no_person(sink: EventList) -> None:
    asking, mended = ([{"id": 1, "text": "Who wrote ticket No. 4?", "expert": name}] for name in ("person", "sql"))
    model = ScriptedModel([asking, mended, asking, asking])
    planner = RemotePlanner(model, ScriptedClient(), Meter(Budget()))
    assert [step.expert for step in (await planner.plan(TASK, sink)).plan.steps] == ["sql"]
    with pytest.raises(GenerationError, match="ask a person"):
        await planner.plan(TASK, sink)


async def test_steps_are_not_held_to_quoting_the_task_in_one_piece(sink: EventList) -> None:
    model = ScriptedModel([[{"id": 1, "text": "Who wrote ticket No. 4?", "expert": "sql"}]])
    planned = await RemotePlanner(model, ScriptedClient(), Meter(Budget())).plan(TASK, sink)
    assert planned.warnings == ()
