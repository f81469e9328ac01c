"""A step's expert is loaded once it is known, and a failure to do so harms nobody."""

import asyncio

from graphs.events import GraphEvent, Planned, PlanToken, StepPlanned
from graphs.plan import Plan, Step
from orchestrator.prefetching import prefetching
from tests.orchestrator.scripted_experts import ScriptedExperts

PLAN = Plan(
    steps=(
        Step(id=1, text="one", expert="general"),
        Step(id=2, text="two", expert="math"),
        Step(id=3, text="three", expert="general"),
    )
)


class Listener:
    def __init__(self) -> None:
        self.heard: list[GraphEvent] = []

    async def emit(self, event: GraphEvent) -> None:
        self.heard.append(event)


async def test_the_experts_of_a_plan_are_loaded_once_each() -> None:
    experts, listener = ScriptedExperts(), Listener()
    events = [PlanToken(text="one"), Planned(plan=PLAN)]

    async with prefetching(listener, experts) as sink:
        await sink.emit(events[0])
        assert experts.prefetched == []
        await sink.emit(events[1])
        await asyncio.sleep(0)

    assert experts.prefetched == ["general", "math"]
    assert listener.heard == events, "and the failure of one is left to its step"


async def test_a_step_that_is_written_has_its_expert_loaded_before_there_is_a_plan() -> None:
    experts, listener = ScriptedExperts(), Listener()
    async with prefetching(listener, experts) as sink:
        await sink.emit(StepPlanned(step=PLAN.steps[0], draft=1))
        await asyncio.sleep(0)
        assert experts.prefetched == ["general"]
        await sink.emit(Planned(plan=PLAN))
        await asyncio.sleep(0)
    assert experts.prefetched == ["general", "math"]
