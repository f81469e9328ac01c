"""One step: what its expert reads, what its tool computes, and an honest result."""

import asyncio
import math
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphs.budget import Budget, Meter
from graphs.events import StepFinished, StepResult, ToolCalled
from graphs.plan import MAX_STEPS, Plan, Step
from graphs.protocols import GREEDY, Constraint, ExpertProfile, Generated, Prompt, Sampling
from graphs.step_runner import SURE, StepRunner, filled_text
from graphs.tools.calculator import Calculator
from graphs.tools.sql import SqlTool
from tests.graphs.calling_clients import QueryingClient, WaveringClient
from tests.graphs.scripted_client import EventList, ScriptedClient
from tests.graphs.test_compile import plans

TASK = "How many in #9? Multiply by 12."


def make_plan(*steps: tuple[str, str]) -> Plan:
    return Plan(steps=tuple(Step(id=k, text=text, expert=expert) for k, (text, expert) in enumerate(steps, start=1)))


def success(step: int, result: str, *, token_ids: tuple[int, ...] | None = None) -> StepResult:
    return StepResult(id=step, status="success", result=result, token_ids=token_ids)


def runner(client: ScriptedClient, plan: Plan, sink: EventList) -> StepRunner:
    return StepRunner(TASK, plan, client, {"calculator": Calculator()}, sink)


async def test_a_short_result_is_filled_in_and_the_tool_computes(sink: EventList) -> None:
    plan = make_plan(("How many?", "general"), ("Multiply #1 by 12.", "math"))
    client = ScriptedClient(answers={"math": {"Multiply 24 by 12.": "24 * 12"}})
    known = {1: success(1, "24", token_ids=(7,))}
    result = await runner(client, plan, sink).run(plan.steps[1], known)
    assert (result.status, result.result, result.call, result.tool) == ("success", "288", "24 * 12", "calculator")
    assert result.warnings == () and result.token_ids is None
    assert result.confidence == pytest.approx(0.905, abs=0.001)
    [(_, prompt)] = client.prompts
    assert [(known.id, known.text, known.result, known.token_ids) for known in prompt.inputs] == [
        (1, "How many?", "24", (7,))
    ]
    types = [event.type for event in sink.events]
    assert types[0] == "step_started" and types[-2:] == ["tool_called", "step_finished"]
    assert [event.result for event in sink.events if isinstance(event, ToolCalled)] == ["288"]


def test_a_long_result_stays_a_reference() -> None:
    step = Step(id=3, text="Compare #1 with #2", expert="general")
    assert filled_text(step, {1: success(1, "x" * 61), 2: success(2, "a\nb")}) == "Compare #1 with #2"
    assert filled_text(step, {1: success(1, "x" * 60), 2: success(2, "b")}) == f"Compare {'x' * 60} with b"


async def test_an_expert_without_a_tool_answers_itself(sink: EventList) -> None:
    plan = make_plan(("Which clause?", "law"))
    client = ScriptedClient(answers={"law": {"Which clause?": "Anti-Assignment"}})
    result = await runner(client, plan, sink).run(plan.steps[0], {})
    assert (result.result, result.token_ids, result.warnings) == ("Anti-Assignment", (15,), ())


async def test_a_number_that_no_tool_computed_is_in_doubt(sink: EventList) -> None:
    plan = make_plan(("How many?", "general"))
    client = ScriptedClient(answers={"general": {"How many?": "12 times 30"}})
    result = await runner(client, plan, sink).run(plan.steps[0], {})
    assert result.warnings == ("30 comes from the expert, not from a tool",)


async def test_an_answer_that_the_expert_was_unsure_of_is_in_doubt(sink: EventList) -> None:
    class UnsureClient(ScriptedClient):
        logprob = -0.8

    plan = make_plan(("What is it?", "law"))
    for client, warnings in ((ScriptedClient, ()), (UnsureClient, ("the expert was unsure",))):
        result = await runner(client(answers={"law": {"What is it?": "A lease"}}), plan, sink).run(plan.steps[0], {})
        assert result.warnings == warnings


async def test_the_task_itself_is_not_repeated_as_a_step(sink: EventList) -> None:
    plan = make_plan(("What is a tort?", "law"))
    client = ScriptedClient(answers={"law": {"What is a tort?": "A wrong."}})
    await StepRunner("What is a tort?", plan, client, {}, sink).run(plan.steps[0], {})
    assert client.prompts[0][1].step == ""


async def test_what_needs_a_failed_step_is_skipped_and_says_why(sink: EventList) -> None:
    plan = make_plan(("How many?", "sql"), ("Double #1", "math"))
    failed = StepResult(id=1, status="error", error="sql: no row matches")
    result = await runner(ScriptedClient(), plan, sink).run(plan.steps[1], {1: failed})
    assert result.status == "skipped"
    assert result.error == "it needs step 1, which was not answered (sql: no row matches)"
    assert [event.type for event in sink.events] == ["step_finished"]


@pytest.mark.parametrize(
    ("expert", "answer", "reason"),
    [
        ("math", "24 / (2 - 2)", "divides by zero"),
        ("math", " ".join(["24 +"] * 70) + " 24", "cut off after 64 tokens"),
        ("law", "  \n", "wrote nothing"),
        ("sql", "SELECT 1", "sql: this tool is not configured"),
        ("poet", "Roses", "'poet' is no longer there"),
        ("code", None, "the engine has stopped"),
    ],
)
async def test_a_failure_is_a_result_with_a_true_reason(
    expert: str, answer: str | None, reason: str, sink: EventList
) -> None:
    plan = make_plan(("Halve 24", expert))
    client = ScriptedClient(answers={expert: {"Halve 24": answer}} if answer else {})
    result = await runner(client, plan, sink).run(plan.steps[0], {})
    assert result.status == "error" and result.result == ""
    assert result.error is not None and reason in result.error
    assert [event.result.status for event in sink.events if isinstance(event, StepFinished)] == ["error"]


async def test_a_text_cut_off_is_in_doubt(sink: EventList) -> None:
    plan = make_plan(("Explain", "law"))
    client = ScriptedClient(answers={"law": {"Explain": "word " * 70}})
    result = await runner(client, plan, sink).run(plan.steps[0], {})
    assert result.status == "success"
    assert result.warnings == ("cut off after 64 tokens",)


@dataclass
class EndlessClient(ScriptedClient):
    """Writes a word, and then waits for ever."""

    is_waiting: asyncio.Event = field(default_factory=asyncio.Event)

    async def generate(
        self,
        expert: str,
        prompt: Prompt,
        *,
        max_tokens: int,
        constraint: Constraint | None = None,
        sampling: Sampling = GREEDY,
    ) -> AsyncIterator[Generated]:
        try:
            yield Generated("word ", (1,), (0.0,))
            self.is_waiting.set()
            await asyncio.Event().wait()
        finally:
            self.num_closed += 1


async def test_cancellation_passes_through_and_closes_the_generation(sink: EventList) -> None:
    plan, client = make_plan(("Explain", "law")), EndlessClient()
    running = asyncio.create_task(runner(client, plan, sink).run(plan.steps[0], {}))
    await client.is_waiting.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert client.num_closed == 1
    assert "step_finished" not in [event.type for event in sink.events]


class ToollessClient(ScriptedClient):
    """Its math expert answers without a tool."""

    def profiles(self) -> Sequence[ExpertProfile]:
        return [ExpertProfile("math", "v1", "math", "no tool here")]


@settings(max_examples=40, deadline=None)
@given(plans(), st.sets(st.integers(1, MAX_STEPS)))
def test_exactly_what_needs_a_failed_step_is_skipped(plan: Plan, failing: set[int]) -> None:
    answers = {step.text: "yes" for step in plan.steps if step.id not in failing}
    step_runner = StepRunner(TASK, plan, ToollessClient(answers={"math": answers}), {}, EventList())

    async def run_all() -> dict[int, StepResult]:
        results: dict[int, StepResult] = {}
        for step in plan.steps:
            results[step.id] = await step_runner.run(step, results)
        return results

    results = asyncio.run(run_all())
    lost: set[int] = set()
    for step in plan.steps:
        expected = "skipped" if lost & set(step.depends_on) else "error" if step.id in failing else "success"
        assert results[step.id].status == expected
        if expected != "success":
            lost.add(step.id)


async def test_a_call_that_its_tool_doubts_is_drawn_anew(sink: EventList) -> None:
    plan = make_plan(("Multiply 24 by 12.", "math"))
    steps = StepRunner(plan.steps[0].text, plan, WaveringClient(), {"calculator": Calculator()}, sink)
    result = await steps.run(plan.steps[0], {})
    assert (result.call, result.result, result.warnings) == ("24 * 12", "288", ())
    assert (result.num_prompt_tokens, result.num_output_tokens) == (20, 2)


async def test_a_call_in_doubt_counts_where_no_other_can_be_paid(sink: EventList) -> None:
    plan, meter = make_plan(("Multiply 24 by 12.", "math")), Meter(Budget(tool_calls=1))
    steps = StepRunner(plan.steps[0].text, plan, WaveringClient(), {"calculator": Calculator()}, sink, meter=meter)
    result = await steps.run(plan.steps[0], {})
    assert (result.call, result.result) == ("24 + 24", "48") and result.warnings


@pytest.mark.parametrize(
    ("queries", "is_free"),
    [
        (["SELECT item FROM stock WHERE price IN (3)"], [True]),
        (["DROP TABLE stock", "SELECT item FROM stock WHERE price = 3"], [True, False]),
        (["SELECT item FROM stock", "SELECT item FROM stock WHERE price = 3"], [True, False]),
        (
            ["SELECT x", "SELECT item FROM stock WHERE price > 3", "SELECT item FROM stock WHERE price = 3"],
            [True] + 2 * [False],
        ),
    ],
)
async def test_a_query_counts_as_it_is_if_it_finds_something_and_leaves_no_doubt(
    queries: list[str], is_free: list[bool], sink: EventList, stock: Path
) -> None:
    """Else it is written under the grammar, and anew while it finds nothing."""
    plan, client = make_plan(("Which item costs 3?", "sql")), QueryingClient(*queries)
    steps = StepRunner(plan.steps[0].text, plan, client, {"sql": SqlTool(stock)}, sink)
    found = await steps.run(plan.steps[0], {})
    assert (found.status, found.call, found.result, found.warnings) == ("success", queries[-1], "tea", ())
    assert client.is_free == is_free
    assert (found.num_prompt_tokens, found.num_output_tokens) == (10 * len(is_free), len(is_free))


@pytest.mark.parametrize(
    ("logprob", "is_free"), [(math.log(SURE) - 0.01, [True, False]), (math.log(SURE) + 0.01, [True])]
)
async def test_whoever_is_sure_may_go_against_the_steps_words(
    logprob: float, is_free: list[bool], sink: EventList, stock: Path
) -> None:
    queries = ["SELECT MAX(item) FROM stock", "SELECT item FROM stock ORDER BY price ASC LIMIT 1"]
    plan, client = make_plan(("Which item has the lowest price?", "sql")), QueryingClient(*queries, logprob=logprob)
    found = await StepRunner(TASK, plan, client, {"sql": SqlTool(stock)}, sink).run(plan.steps[0], {})
    assert (found.call, client.is_free) == (queries[len(is_free) - 1], is_free)
    assert found.warnings == ()


async def test_calls_that_are_few_are_not_spent_on_a_try_without_the_grammar(sink: EventList, stock: Path) -> None:
    plan, client = make_plan(("Which item costs 3?", "sql")), QueryingClient("SELECT item FROM stock WHERE price = 3")
    meter = Meter(Budget(tool_calls=1))
    found = await StepRunner(TASK, plan, client, {"sql": SqlTool(stock)}, sink, meter=meter).run(plan.steps[0], {})
    assert (found.result, client.is_free) == ("tea", [False])


async def test_a_step_whose_queries_all_find_nothing_has_failed(sink: EventList, stock: Path) -> None:
    empty = "SELECT item FROM stock WHERE price > 3"
    plan, client = make_plan(("Which item costs more than 3?", "sql")), QueryingClient(*[empty] * 6)
    failed = await StepRunner(TASK, plan, client, {"sql": SqlTool(stock)}, sink).run(plan.steps[0], {})
    assert (failed.status, failed.call, failed.error_kind) == ("error", empty, "tool")
    assert "no row matches" in (failed.error or "")
    assert client.queries == []
    assert (failed.num_prompt_tokens, failed.num_output_tokens) == (60, 6)


@pytest.fixture
def stock(tmp_path: Path) -> Path:
    with closing(sqlite3.connect(tmp_path / "shop.sqlite")) as connection:
        connection.executescript("CREATE TABLE stock (item TEXT, price INT); INSERT INTO stock VALUES ('tea', 3)")
    return tmp_path / "shop.sqlite"
