"""A run spends what it may, and ends with what is done."""

import asyncio

import pytest

from graphs.budget import Budget, Meter
from graphs.errors import BudgetExhausted
from graphs.events import StepToken
from graphs.limits import Limits
from graphs.plan import Plan, Step
from graphs.run import RunOutcome, run_task
from graphs.tools.calculator import Calculator
from tests.graphs.scripted_client import EventList, ScriptedClient
from tests.graphs.timed_experts import NEVER, TimedExperts, Try
from tests.graphs.virtual_time import now, run_virtually

THREE = Plan(steps=tuple(Step(id=k, text=f"step {k}", expert="law") for k in (1, 2, 3)))
CHAIN = Plan(steps=tuple(Step(id=k, text=f"step {k}", expert="law", depends_on=tuple(range(1, k))) for k in (1, 2, 3)))


def run(plan: Plan, budget: Budget, experts: TimedExperts | None = None) -> tuple[RunOutcome, float]:
    async def all_of_it() -> tuple[RunOutcome, float]:
        client, limits = experts or TimedExperts({}), Limits(budget=budget)
        return await run_task("A task.", client=client, tools={}, sink=EventList(), plan=plan, limits=limits), now()

    return run_virtually(all_of_it())


def statuses(outcome: RunOutcome) -> list[str]:
    return [result.status for result in outcome.results]


def test_a_run_without_limits_is_not_ended() -> None:
    outcome, _ = run(THREE, Budget())
    assert (outcome.status, outcome.reason) == ("success", "")


def test_steps() -> None:
    outcome, _ = run(CHAIN, Budget(steps=2))
    assert outcome.status == "budget_exhausted"
    assert outcome.reason == "the run's 2 steps are used up; allow it more"
    assert statuses(outcome) == ["success", "success", "skipped"]
    assert outcome.answer.source == "assembled"
    assert run(CHAIN, Budget(steps=3))[0].status == "success"


def test_seconds() -> None:
    experts = TimedExperts({("law", "step 2"): [Try(seconds=NEVER)]})
    outcome, ended = run(THREE, Budget(seconds=5), experts)
    assert (outcome.status, ended) == ("budget_exhausted", 5)
    assert outcome.reason == "the run's 5 seconds are used up; allow it more"
    assert statuses(outcome) == ["success", "skipped", "success"]
    assert "- step 1 → yes" in outcome.answer.answer, "the answer has what is done"


def test_tokens() -> None:
    """A step has 9 tokens in its prompt and writes one."""
    outcome, _ = run(CHAIN, Budget(tokens=11))
    assert outcome.reason == "the run's 11 tokens are used up; allow it more"
    assert statuses(outcome) == ["success", "success", "skipped"]


def test_tokens_that_end_before_the_joiner_leave_the_results() -> None:
    outcome, _ = run(CHAIN, Budget(tokens=30))
    assert outcome.status == "budget_exhausted"
    assert statuses(outcome) == ["success"] * 3
    assert outcome.answer.reason == "the run's 30 tokens are used up; allow it more"


async def test_a_generation_ends_with_the_last_token(sink: EventList) -> None:
    client = ScriptedClient(answers={"law": {"Explain": "a word and another word"}})
    plan = Plan(steps=(Step(id=1, text="Explain", expert="law"),))
    limits = Limits(budget=Budget(tokens=3))
    outcome = await run_task("Say it.", client=client, tools={}, sink=sink, plan=plan, limits=limits)
    assert (outcome.status, statuses(outcome), client.num_closed) == ("budget_exhausted", ["skipped"], 1)
    assert [event.text for event in sink.events if isinstance(event, StepToken)] == ["a ", "word ", "and "]


async def test_tool_calls(sink: EventList) -> None:
    client = ScriptedClient(answers={"math": {"Halve 10": "10 / 2", "Halve 5": "5 / 2"}})
    steps = (Step(id=1, text="Halve 10", expert="math"), Step(id=2, text="Halve #1", expert="math"))
    outcome = await run_task(
        "Halve 10 twice.",
        client=client,
        tools={"calculator": Calculator()},
        sink=sink,
        plan=Plan(steps=steps),
        limits=Limits(budget=Budget(tool_calls=1)),
    )
    assert outcome.reason == "the run's 1 tool calls are used up; allow it more"
    assert statuses(outcome) == ["success", "skipped"]


async def test_a_planner_that_spends_it_all_leaves_no_plan(sink: EventList) -> None:
    client = ScriptedClient(plan=[("Halve 10", "math")] * 2)
    with pytest.raises(BudgetExhausted) as caught:
        await run_task("Halve 10.", client=client, tools={}, sink=sink, limits=Limits(budget=Budget(tokens=1)))
    assert (caught.value.what, caught.value.limit, caught.value.status) == ("tokens", 1, "budget_exhausted")


def test_another_timeout_is_not_taken_for_the_budgets() -> None:
    async def inner() -> None:
        async with Meter(Budget(seconds=10)).in_time(), asyncio.timeout(1):
            await asyncio.sleep(5)

    with pytest.raises(TimeoutError):
        run_virtually(inner())


def test_the_lower_limit_holds() -> None:
    assert Budget(steps=3, tokens=9).capped(Budget(steps=2, seconds=1.5)) == Budget(steps=2, tokens=9, seconds=1.5)
