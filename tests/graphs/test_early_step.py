"""A step that was begun early is taken over where all of it is the same, and outlives nobody who has done so."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from graphs.early_step import EarlyStep
from graphs.events import GraphEvent, SpeculationDropped, StepResult, StepStarted
from graphs.limits import Limits
from graphs.plan import Step
from graphs.protocols import Generated, Prompt
from tests.graphs.test_speculation import BIRD, TREES, each_taking, run
from tests.graphs.timed_planner import PlanEvents, TimedPlanner, Written


class Deaf:
    """A sink that takes nothing: it waits for ever, or fails."""

    def __init__(self, *, fails: bool) -> None:
        self.fails, self.is_told = fails, asyncio.Event()

    async def emit(self, event: GraphEvent) -> None:
        self.is_told.set()
        if self.fails:
            raise ConnectionError("gone")
        await asyncio.Event().wait()


@pytest.mark.parametrize("fails", [True, False])
async def test_it_ends_if_what_it_held_back_cannot_be_told(fails: bool) -> None:
    sink = Deaf(fails=fails)
    early = EarlyStep(Step(id=1, text="x", expert="law"), 1, sink)

    async def work() -> StepResult:
        await early.emit(StepStarted(step=1, expert="law", version="", text="x"))
        result = StepResult(id=1, status="success", result="yes")
        await early.commit(result)
        return result

    early.run(work())
    await early.success
    taken_over = asyncio.create_task(early.take_over(None))
    await sink.is_told.wait()
    if not fails:
        taken_over.cancel()
    await asyncio.wait([taken_over])
    await asyncio.wait_for(early.ended(), 5)


def test_a_step_is_taken_over_only_behind_what_it_was_begun_behind() -> None:
    bird_first: Written = (BIRD, ("Compare #1.", "law"))
    drafts: list[Written] = [bird_first, (TREES, ("Compare #1.", "law"), BIRD)]
    known: list[tuple[str, ...]] = []

    class Seeing(TimedPlanner):
        async def generate(self, expert: str, prompt: Prompt, **options: Any) -> AsyncIterator[Generated]:
            if prompt.step == "Compare yes.":
                known.append(tuple(one.text for one in prompt.inputs))
            async for piece in super().generate(expert, prompt, **options):
                yield piece

    sink, without = PlanEvents(), PlanEvents()
    outcome, _ = run(Seeing(each_taking(0.1), drafts=drafts), sink)
    assert outcome.plan.steps[0].text == TREES[0]
    assert known == [(BIRD[0],), (TREES[0],)]
    dropped = [event for event in sink.events if isinstance(event, SpeculationDropped)]
    assert [(event.step, event.draft, event.num_output_tokens) for event in dropped] == [(1, 1, 1), (2, 1, 1)]
    usage = run(TimedPlanner(each_taking(0.1), drafts=drafts), without, Limits(speculate=False))[0].usage
    assert outcome.usage.num_output_tokens == usage.num_output_tokens + 2
