"""A planner that dies is followed by one that goes on behind the steps that were committed."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from graphs.draft import Beginning, Draft, forced
from graphs.events import Drafted, Planned, PlanToken, StepPlanned, StepResult
from graphs.grammar import OPENING
from graphs.plan import MAX_GIVEN_STEPS, Plan, Step
from graphs.planner import Planner
from tests.graphs.scripted_client import EventList
from tests.graphs.timed_planner import PlanEvents, TimedPlanner, Written

TASK = "Name 3 trees. Name a bird. Compare them."
TREES, BIRD, BOTH = ("Name 3 trees.", "law"), ("Name a bird.", "medical"), ("Compare #1 with #2.", "law")
GOOD: Written = (TREES, BIRD, BOTH)
GOOD_STEPS = [Step(id=k, text=text, expert=expert) for k, (text, expert) in enumerate(GOOD, start=1)]
BAD: Written = (BIRD, BIRD)
"""Leaves out 3."""
NUM_EVENTS = 21
"""Of a planning with drafts BAD and GOOD."""


def planner_of(drafts: Sequence[Written], sink: PlanEvents) -> tuple[Planner, TimedPlanner]:
    client = TimedPlanner({}, drafts=drafts, seconds=0)
    return Planner(client, memo=sink), client


def without_seconds(planned: Planned) -> Planned:
    return planned.model_copy(update={"seconds": 0.0})


async def whole(drafts: Sequence[Written]) -> tuple[Planned, PlanEvents, TimedPlanner]:
    sink = PlanEvents()
    planner, client = planner_of(drafts, sink)
    return without_seconds(await planner.plan(TASK, sink)), sink, client


async def test_each_step_is_committed_with_its_scores_before_the_next_is_written() -> None:
    planned, sink, client = await whole([BAD, GOOD])
    assert planned.num_drafts == 2 and not planned.warnings
    assert [(event.draft, event.step.id if isinstance(event, StepPlanned) else 0) for event in sink.committed] == [
        *[(1, 1), (1, 2), (1, 0)],
        *[(2, 1), (2, 2), (2, 3), (2, 0)],
    ]
    assert len(client.decoded) == len(sink.committed)
    last = sink.committed[-2]
    assert isinstance(last, StepPlanned)
    assert last.step == planned.plan.steps[-1] and set(last.step.scores) == {"general", "law", "medical"}
    dropped, taken = (event for event in sink.committed if isinstance(event, Drafted))
    assert dropped.warnings[0] == "the plan leaves out 3" and taken.warnings == ()
    assert planned.num_output_tokens == dropped.num_output_tokens + taken.num_output_tokens


@pytest.mark.parametrize("fails_at", range(NUM_EVENTS))
async def test_a_planner_that_dies_anywhere_is_continued(fails_at: int) -> None:
    """The second one decodes exactly what the first had not committed, behind the same forced segments."""
    planned, undisturbed, client = await whole([BAD, GOOD])
    assert len(undisturbed.events) == NUM_EVENTS
    sink = PlanEvents(fails_at=fails_at)
    with pytest.raises(ConnectionError):
        await planner_of([BAD, GOOD], sink)[0].plan(TASK, sink)
    second, other = planner_of([BAD, GOOD], sink)
    again = PlanEvents()
    assert without_seconds(await second.plan(TASK, again)) == planned
    assert other.decoded == client.decoded[len(sink.committed) :]
    shown = [event.step for event in again.committed if isinstance(event, StepPlanned) and event.draft == 2]
    assert tuple(shown) == planned.plan.steps


async def test_a_plan_that_was_written_to_its_end_is_taken_as_it_is() -> None:
    planned, sink, _ = await whole([BAD, GOOD])
    second, client = planner_of([BAD, GOOD], sink)
    assert without_seconds(await second.plan(TASK, PlanEvents())) == planned
    assert client.decoded == []


async def test_what_was_written_is_shown_and_handed_on_again() -> None:
    _, sink, _ = await whole([GOOD])
    sink.events = sink.events[: sink.events.index(sink.committed[1]) + 1]
    planner, _ = planner_of([GOOD], sink)
    again = PlanEvents()
    await planner.plan(TASK, again)
    shown = again.events[0]
    assert isinstance(shown, PlanToken) and shown.text == "".join(forced(GOOD_STEPS[:2]))
    assert again.committed[:2] == sink.committed


async def test_a_task_that_is_one_step_stays_one() -> None:
    """Its text was no step of the planner's: nothing may be written behind it."""
    sink = PlanEvents()
    unusable: list[Written] = [(("?", "law"),), GOOD]
    planner, client = planner_of(unusable, sink)
    planned = without_seconds(await planner.plan(TASK, sink))
    only = sink.committed[0]
    assert isinstance(only, StepPlanned) and (only.step.text, only.is_last) == (TASK, True)
    sink.events = [only]
    second, other = planner_of(unusable, sink)
    assert without_seconds(await second.plan(TASK, PlanEvents())) == planned
    assert other.decoded == client.decoded[1:]


RESULTS = {1: StepResult(id=1, status="success", result="oak"), 2: StepResult(id=2, status="error", error="no")}


async def test_another_round_is_continued_behind_the_same_finished_steps_only() -> None:
    before, sink = Plan(steps=tuple(GOOD_STEPS[:2])), PlanEvents()
    drafts: list[Written] = [(), GOOD]
    planner, client = planner_of(drafts, sink)
    planned = await planner.plan_again(TASK, sink, before, RESULTS)
    assert planned is not None and planned.plan.num_rounds == 2
    assert {(event.round, event.draft) for event in sink.committed} == {(2, 2)}

    sink.events = [sink.committed[0]]
    second, other = planner_of(drafts, sink)
    again = await second.plan_again(TASK, PlanEvents(), before, RESULTS)
    assert again is not None and without_seconds(again) == without_seconds(planned)
    assert other.decoded == client.decoded[1:]

    both = {**RESULTS, 2: StepResult(id=2, status="success", result="wren")}
    third, other = planner_of(drafts, sink)
    await third.plan_again(TASK, PlanEvents(), before, both)
    assert other.decoded[0] == (2, tuple(forced(GOOD_STEPS[:2]))), "it begins behind other steps: all is decoded"


async def test_the_planner_goes_before_all_steps(sink: EventList) -> None:
    draft = Draft(Beginning(TASK), sink)
    assert draft.prompt.forced == (OPENING,)
    assert draft.prompt.priority >= MAX_GIVEN_STEPS


def test_the_digest_is_that_of_the_finished_steps() -> None:
    beginning = Beginning(TASK, tuple(GOOD_STEPS[:1]), 2)
    assert Beginning(TASK).digest == ""
    assert beginning.digest != replace(beginning, kept=tuple(GOOD_STEPS[:2])).digest
    other = GOOD_STEPS[0].model_copy(update={"expert": "medical"})
    assert beginning.digest != replace(beginning, kept=(other,)).digest
