"""Another round of planning where nothing was found: finished steps are kept, nodes are named by round."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from graphs.budget import Budget
from graphs.errors import GenerationError
from graphs.events import Planned, StepStarted
from graphs.joiner import INSTRUCTION
from graphs.limits import Limits
from graphs.plan import Plan, Step
from graphs.protocols import GREEDY, Constraint, Generated, Prompt, Sampling, Tool
from graphs.run import RunOutcome, run_task
from graphs.tools.calculator import Calculator
from graphs.tools.sql import SqlTool
from tests.graphs.scripted_client import EventList, ScriptedClient
from tests.graphs.test_run import ANSWERS, COUNT, TASK

MULTIPLY = "Multiply #1 by 12."
GOOD = [(COUNT, "sql"), (MULTIPLY, "math")]
TWO_ROUNDS = Limits(max_rounds=2)


@dataclass
class SecondThoughts(ScriptedClient):
    """Writes another plan where its drafts are sampled; None: it does not answer then."""

    second: Sequence[tuple[str, str]] | None = ()

    async def generate(
        self,
        expert: str,
        prompt: Prompt,
        *,
        max_tokens: int,
        constraint: Constraint | None = None,
        sampling: Sampling = GREEDY,
    ) -> AsyncIterator[Generated]:
        if expert == "planner" and sampling != GREEDY:
            if self.second is None:
                raise GenerationError("planner", "the engine has stopped")
            self.plan = self.second
        pieces = super().generate(expert, prompt, max_tokens=max_tokens, constraint=constraint, sampling=sampling)
        async for piece in pieces:
            yield piece

    async def score(self, expert: str, prompt: Prompt, candidates: Sequence[str]) -> list[float]:
        """So sure that no tool that recognises a step talks it out of its expert."""
        return [2 * logprob for logprob in await super().score(expert, prompt, candidates)]


@pytest.fixture
def tools(library: Path) -> dict[str, Tool]:
    return {"calculator": Calculator(), "sql": SqlTool(library)}


async def run(
    client: ScriptedClient, tools: dict[str, Tool], sink: EventList, limits: Limits = TWO_ROUNDS
) -> RunOutcome:
    return await run_task(TASK, client=client, tools=tools, sink=sink, limits=limits)


async def test_another_plan_is_tried_where_nothing_was_found(tools: dict[str, Tool], sink: EventList) -> None:
    client = SecondThoughts([(COUNT, "law"), (MULTIPLY, "math")], ANSWERS, second=GOOD)
    outcome = await run(client, tools, sink)
    assert outcome.status == "success"
    assert [(step.id, step.round, step.text) for step in outcome.plan.steps] == [
        (1, 1, COUNT),
        (2, 1, MULTIPLY),
        (3, 2, COUNT),
        (4, 2, "Multiply #3 by 12."),
    ]
    assert [result.status for result in outcome.results] == ["error", "skipped", "success", "success"]
    assert (outcome.answer.source, outcome.answer.answer) == ("joiner", ANSWERS["general"][INSTRUCTION])
    assert (outcome.answer.failed, outcome.answer.skipped) == ((1,), (2,)), "the joiner knows what is missing"
    plans = [event for event in sink.events if isinstance(event, Planned)]
    assert [len(planned.plan.steps) for planned in plans] == [2, 4]
    told = sum(planned.num_output_tokens for planned in plans)
    assert outcome.usage.num_output_tokens >= told + outcome.answer.num_output_tokens


async def test_finished_steps_are_kept(tools: dict[str, Tool], sink: EventList) -> None:
    client = SecondThoughts([(COUNT, "sql"), (MULTIPLY, "law")], ANSWERS, second=GOOD)
    outcome = await run(client, tools, sink)
    assert [(step.text, step.expert, step.depends_on) for step in outcome.plan.steps] == [
        (COUNT, "sql", ()),
        (MULTIPLY, "law", (1,)),
        (MULTIPLY, "math", (1,)),
    ]
    assert [result.status for result in outcome.results] == ["success", "error", "success"]
    assert [event.step for event in sink.events if isinstance(event, StepStarted)] == [1, 2, 3]
    assert outcome.answer.source == "joiner"


async def test_rounds_end(tools: dict[str, Tool], sink: EventList) -> None:
    client = SecondThoughts([(COUNT, "law")], {}, second=[(COUNT, "code")])
    outcome = await run(client, tools, sink)
    assert outcome.status == "error"
    assert [(step.round, step.expert) for step in outcome.plan.steps] == [(1, "law"), (2, "code")]
    assert outcome.answer.answer.startswith(f"- {COUNT} → not answered: expert 'code'")


@pytest.mark.parametrize("second", [[(COUNT, "law"), (MULTIPLY, "math")], None])
async def test_a_planner_without_another_idea_leaves_the_first_answer(
    second: Sequence[tuple[str, str]] | None, tools: dict[str, Tool], sink: EventList
) -> None:
    client = SecondThoughts([(COUNT, "law"), (MULTIPLY, "math")], {}, second=second)
    outcome = await run(client, tools, sink)
    assert (outcome.status, len(outcome.plan.steps)) == ("error", 2)
    assert outcome.answer.answer.count("→ not answered") == 2
    assert len(sink.of_type("planned")) == len(sink.of_type("answered")) == 1


@pytest.mark.parametrize("limits", [Limits(), Limits(max_rounds=2, budget=Budget(steps=1))])
async def test_no_other_round_by_default_or_when_the_run_has_ended(
    limits: Limits, tools: dict[str, Tool], sink: EventList
) -> None:
    client = SecondThoughts([(COUNT, "law"), ("Multiply that number by 12.", "law")], {}, second=GOOD)
    outcome = await run(client, tools, sink, limits)
    assert outcome.plan.num_rounds == 1
    assert outcome.status != "success"


async def test_a_plan_that_was_given_is_not_replaced(tools: dict[str, Tool], sink: EventList) -> None:
    plan = Plan(steps=(Step(id=1, text=COUNT, expert="law"),))
    client = SecondThoughts(second=GOOD)
    outcome = await run_task(TASK, client=client, tools=tools, sink=sink, plan=plan, limits=TWO_ROUNDS)
    assert (outcome.status, outcome.plan) == ("error", plan)


async def test_a_plan_of_several_rounds_can_be_run_again(tools: dict[str, Tool], sink: EventList) -> None:
    """What a stored plan is resumed with: every step that no memo knows is run, in whatever round it was written."""
    first = await run(SecondThoughts([(COUNT, "law"), (MULTIPLY, "math")], ANSWERS, second=GOOD), tools, EventList())
    again = await run_task(TASK, client=ScriptedClient(answers=ANSWERS), tools=tools, sink=sink, plan=first.plan)
    assert [(one.id, one.status, one.result) for one in again.results] == [
        (one.id, one.status, one.result) for one in first.results
    ]
