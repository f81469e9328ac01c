"""Steps begin while their plan is being written; what no plan has leaves nothing but its cost."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphs.budget import Budget
from graphs.errors import GenerationError
from graphs.events import GraphEvent, SpeculationDropped, StepFinished, StepResult, StepStarted
from graphs.limits import Limits
from graphs.policies import StepPolicy
from graphs.protocols import Generated, Prompt, Tool, ToolResult
from graphs.run import RunOutcome, run_task
from graphs.tools.calculator import Calculator
from tests.graphs.timed_experts import NEVER, NUM_PROMPT_TOKENS, Try
from tests.graphs.timed_planner import PlanEvents, TimedPlanner, Written
from tests.graphs.virtual_time import now, run_virtually

TASK = "Name 3 trees. Name a bird. Compare them."
TREES, BIRD, BOTH = ("Name 3 trees.", "law"), ("Name a bird.", "medical"), ("Compare #1 with #2.", "law")
COMPARED = ("law", "Compare yes with yes.")
GOOD: Written = (TREES, BIRD, BOTH)
"""Written at 1, 2 and 3 seconds, and ended at 4."""
BAD: Written = (BIRD,)
"""Leaves out 3; ended at 2 seconds."""


EARLY = Limits(speculate=True)


def asked(step: tuple[str, str]) -> tuple[str, str]:
    text, expert = step
    return expert, text


def run(
    experts: TimedPlanner, sink: PlanEvents, limits: Limits = EARLY, tools: Mapping[str, Tool] | None = None
) -> tuple[RunOutcome, float]:
    async def all_of_it() -> tuple[RunOutcome, float]:
        return await run_task(TASK, client=experts, tools=tools or {}, sink=sink, limits=limits), now()

    return run_virtually(all_of_it())


def each_taking(seconds: float) -> dict[tuple[str, str], Sequence[Try]]:
    return {one: (Try(seconds=seconds),) for one in (asked(TREES), asked(BIRD), COMPARED)}


def test_steps_begin_when_they_are_written_and_what_they_need_is_there() -> None:
    experts, sink = TimedPlanner(each_taking(0.5), drafts=[GOOD]), PlanEvents()
    outcome, seconds = run(experts, sink)
    assert sink.begun == {(1, 1): 1, (1, 2): 2, (1, 3): 3}
    assert (outcome.status, seconds) == ("success", 4)
    assert set(experts.asked.values()) == {1}
    later = PlanEvents()
    without, seconds = run(TimedPlanner(each_taking(0.5), drafts=[GOOD]), later, Limits(speculate=False))
    assert (facts(without), seconds, later.begun) == (facts(outcome), 5, {})


def facts(outcome: RunOutcome) -> tuple[Any, ...]:
    """All but the timings."""
    results = [result.model_copy(update={"seconds": 0.0}) for result in outcome.results]
    return outcome.status, outcome.plan, outcome.plan_warnings, results, outcome.answer.answer, outcome.usage


def test_what_steps_do_is_told_once_there_is_a_plan() -> None:
    sink = PlanEvents()
    run(TimedPlanner(each_taking(0.5), drafts=[GOOD]), sink)
    told = [event.type for event in sink.events if event.type not in ("plan_token", "step_token")]
    begun = ["step_planned", "speculation_started"] * 3
    steps = sorted(["step_started", "step_finished"] * 3)
    assert told[:8] == [*begun, "drafted", "planned"]
    assert sorted(told[8:14]) == steps
    assert set(sink.ended.values()) == {4}


def test_a_step_that_still_runs_is_taken_over() -> None:
    experts, sink = TimedPlanner({asked(TREES): [Try(seconds=10)]}, drafts=[GOOD]), PlanEvents()
    outcome, seconds = run(experts, sink)
    assert (outcome.status, seconds) == ("success", 11)
    assert experts.asked["law", TREES[0]] == 1


def test_what_runs_for_a_draft_that_is_dropped_is_cancelled_at_once_and_never_told() -> None:
    experts = TimedPlanner({asked(BIRD): [Try(seconds=NEVER), Try(text="wren")]}, drafts=[BAD, GOOD])

    class Watching(PlanEvents):
        async def emit(self, event: GraphEvent) -> None:
            await super().emit(event)
            if isinstance(event, SpeculationDropped):
                assert (now(), experts.num_open) == (2, 0)

    sink = Watching()
    outcome, _ = run(experts, sink)
    assert [event for event in sink.events if isinstance(event, SpeculationDropped)] == [
        SpeculationDropped(step=1, draft=1)
    ]
    assert [result.result for result in outcome.results] == ["yes", "wren", "yes"]
    started = [(event.step, event.expert) for event in sink.events if isinstance(event, StepStarted)]
    assert sorted(started) == [(1, "law"), (2, "medical"), (3, "law")]


def test_what_was_finished_for_a_dropped_draft_is_used_if_the_plan_has_it() -> None:
    task, leaves_out = TASK + " Name 5 bees.", (TREES,)
    drafts: list[Written] = [leaves_out, leaves_out, (*GOOD, ("Name 5 bees.", "law"))]
    experts, sink = TimedPlanner(each_taking(0.5), drafts=drafts), PlanEvents()
    outcome = run_virtually(run_task(task, client=experts, tools={}, sink=sink, limits=EARLY))
    assert outcome.status == "success" and len(outcome.plan.steps) == 4
    assert experts.asked["law", TREES[0]] == 1
    assert not [event for event in sink.events if isinstance(event, SpeculationDropped)]
    assert sink.begun[1, 1] == 1 and (2, 1) not in sink.begun and sink.begun[3, 2] == 6


def test_what_was_finished_and_is_in_no_plan_costs_its_tokens() -> None:
    sink, without = PlanEvents(), PlanEvents()
    outcome, _ = run(TimedPlanner(each_taking(0.5), drafts=[BAD, GOOD]), sink)
    limits = Limits(speculate=False)
    usage = run(TimedPlanner(each_taking(0.5), drafts=[BAD, GOOD]), without, limits)[0].usage
    dropped = SpeculationDropped(step=1, draft=1, num_prompt_tokens=NUM_PROMPT_TOKENS, num_output_tokens=1)
    assert [event for event in sink.events if isinstance(event, SpeculationDropped)] == [dropped]
    assert outcome.usage.num_prompt_tokens == usage.num_prompt_tokens + NUM_PROMPT_TOKENS
    assert outcome.usage.num_output_tokens == usage.num_output_tokens + 1


def test_a_repeated_step_is_begun_once_and_those_behind_it_as_the_plan_numbers_them() -> None:
    doubled: Written = (TREES, TREES, BIRD, ("Compare #2 with #3.", "law"))
    experts, sink = TimedPlanner(each_taking(0.5), drafts=[doubled]), PlanEvents()
    outcome, seconds = run(experts, sink)
    assert [step.text for step in outcome.plan.steps] == [TREES[0], BIRD[0], BOTH[0]]
    assert sink.begun == {(1, 1): 1, (1, 2): 3, (1, 3): 4}
    assert (set(experts.asked.values()), seconds) == ({1}, 5)


def test_nothing_begins_behind_a_step_that_failed_and_the_failure_counts() -> None:
    experts, sink = TimedPlanner({asked(TREES): [Try("error")]}, drafts=[GOOD]), PlanEvents()
    outcome, _ = run(experts, sink)
    assert [result.status for result in outcome.results] == ["error", "success", "skipped"]
    assert (1, 3) not in sink.begun
    assert experts.asked["law", TREES[0]] == 1


# --- tools ---


class Answering(Calculator):
    """Says whether it was called when the plan was there."""

    async def run(self, call: str, step: str) -> ToolResult:
        return ToolResult(f"{call}, {now() >= 4}")


class Sending(Answering):
    """A call changes something."""

    has_effects = True


@pytest.mark.parametrize(
    ("tool", "limits", "is_early"),
    [
        (Answering, EARLY, True),
        (Sending, EARLY, False),
        (Answering, Limits(speculate=True, budget=Budget(tool_calls=9)), False),
    ],
)
def test_a_tool_that_has_effects_or_few_calls_waits_for_the_plan(
    tool: type[Answering], limits: Limits, is_early: bool
) -> None:
    experts, sink = TimedPlanner({}, drafts=[GOOD], tools={"law": "tool"}), PlanEvents()
    outcome, _ = run(experts, sink, limits, {"tool": tool()})
    assert ((1, 1) in sink.begun) == is_early
    assert (1, 2) in sink.begun, "it has no tool"
    # a thread of its own prepares a call, for which the clock does not wait: it may be early, or late
    assert is_early or outcome.results[0].result == "yes, True"


def test_everybody_whom_a_policy_may_ask_is_looked_at() -> None:
    experts, sink = TimedPlanner({}, drafts=[GOOD], tools={"general": "tool"}), PlanEvents()
    instead = Limits(speculate=True, policy=StepPolicy(on_failure="general"))
    run(experts, sink, instead, {"tool": Sending()})
    assert sink.begun == {}


# --- budgets, faults and ends ---


def test_early_steps_spend_tokens_and_count_as_steps_when_they_are_the_plans() -> None:
    def spent(budget: Budget) -> RunOutcome:
        experts = TimedPlanner(each_taking(0.5), drafts=[BAD, GOOD])
        return run(experts, PlanEvents(), Limits(speculate=True, budget=budget))[0]

    needed = spent(Budget()).usage
    tokens = needed.num_prompt_tokens + needed.num_output_tokens
    assert spent(Budget(steps=3)).status == "success"
    assert spent(Budget(steps=2)).reason == "the run's 2 steps are used up; allow it more"
    assert spent(Budget(tokens=tokens - 10)).status == "budget_exhausted", "10 are those of the dropped step"
    assert spent(Budget(tokens=tokens + 1)).status == "success"


class Faulty(TimedPlanner):
    """One of its experts has a fault of the program."""

    async def generate(self, expert: str, prompt: Prompt, **options: Any) -> AsyncIterator[Generated]:
        if expert == BIRD[1]:
            raise ZeroDivisionError("a fault")
        async for piece in super().generate(expert, prompt, **options):
            yield piece


@pytest.mark.parametrize("drafts", [[GOOD], [BAD, (("Name 3 trees. Name a bird. Compare them.", "law"),)]])
def test_a_fault_ends_the_run_whether_the_plan_has_its_step_or_not(drafts: Sequence[Written]) -> None:
    with pytest.raises(ZeroDivisionError, match="a fault"):
        run(Faulty({}, drafts=drafts), PlanEvents())


@pytest.mark.parametrize("seconds", [1.5, 2.5, 4.5])
def test_a_run_that_is_cancelled_leaves_no_early_step(seconds: float) -> None:
    experts = TimedPlanner(each_taking(NEVER), drafts=[GOOD])

    async def cancelled() -> None:
        with pytest.raises(TimeoutError):
            work = run_task(TASK, client=experts, tools={}, sink=PlanEvents(), limits=EARLY)
            await asyncio.wait_for(work, seconds)

    run_virtually(cancelled())
    assert experts.asked and experts.num_open == 0


def test_a_planner_that_fails_ends_the_early_steps() -> None:
    class Failing(TimedPlanner):
        async def score(self, expert: str, prompt: Prompt, candidates: Sequence[str]) -> list[float]:
            if len(prompt.forced) > 3:
                raise GenerationError(expert, "the engine has stopped")
            return await super().score(expert, prompt, candidates)

    experts, sink = Failing(each_taking(NEVER), drafts=[GOOD]), PlanEvents()
    with pytest.raises(GenerationError):
        run(experts, sink)
    assert sink.begun == {(1, 1): 1} and experts.num_open == 0


# --- any drafts, any times ---


@st.composite
def drafts_of_it(draw: st.DrawFn) -> list[Written]:
    """Up to four drafts, most of them with faults."""
    texts = ["Name 3 trees.", "Name a bird.", "Name a bird.", "Compare #1 with #2.", "Compare #1.", "trees and #2"]

    def steps() -> Written:
        found: list[tuple[str, str]] = []
        for text in draw(st.lists(st.sampled_from(texts), min_size=1, max_size=5)):
            is_valid = all(int(k) <= len(found) for k in text if k in "12")
            found += [(text, draw(st.sampled_from(["law", "medical"])))] if is_valid else []
        return tuple(found) or (TREES,)

    return [steps() for _ in range(draw(st.integers(1, 4)))]


@settings(max_examples=60, deadline=None)
@given(drafts_of_it(), st.lists(st.sampled_from([0.0, 0.3, 1.1, 2.6, 7.7]), min_size=1, max_size=6), st.booleans())
def test_a_run_finds_the_same_and_no_later(drafts: list[Written], seconds: list[float], fails: bool) -> None:
    class Busy(TimedPlanner):
        """A step's time and result are those of its text."""

        async def generate(self, expert: str, prompt: Prompt, **options: Any) -> AsyncIterator[Generated]:
            k = sum(map(ord, expert + prompt.step))
            end = "error" if fails and k % 3 == 0 else "answer"
            self.tries = {**self.tries, (expert, prompt.step): [Try(end, seconds[k % len(seconds)], f"r{k}")]}
            async for piece in super().generate(expert, prompt, **options):
                yield piece

    experts, sink = Busy({}, drafts=drafts), PlanEvents()
    outcome, ended = run(experts, sink)
    without, expected_end = run(Busy({}, drafts=drafts), PlanEvents(), Limits(speculate=False))
    assert facts(outcome)[:-1] == facts(without)[:-1]
    assert ended <= expected_end + 1e-9
    assert experts.num_open == 0
    finished = [event.result for event in sink.events if isinstance(event, StepFinished)]
    assert sorted(finished, key=by_id) == sorted(outcome.results, key=by_id), "each is told once"


def by_id(result: StepResult) -> int:
    return result.id
