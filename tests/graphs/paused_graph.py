"""Plans whose graph stops before some steps and goes on from its checkpoint."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver

from graphs.compile import compile_plan
from graphs.dispatch import Dispatcher
from graphs.events import Answered, StepFinished, StepResult
from graphs.plan import Plan, Step
from graphs.state import Results
from graphs.step_runner import Commit
from tests.graphs.scripted_client import EventList


def plan_of(*needed: tuple[int, ...]) -> Plan:
    """A step per tuple of what it needs."""
    steps = (Step(id=k, text=f"step {k}", expert="law", depends_on=deps) for k, deps in enumerate(needed, start=1))
    return Plan(steps=tuple(steps))


async def no_answer(results: Results) -> Answered:
    return Answered(answer="", source="assembled")


@dataclass
class Paused:
    """A graph with a checkpoint that stops before some steps; every step takes a second and says what it was given."""

    plan: Plan
    before: tuple[int, ...]
    started: list[str] = field(default_factory=list[str])
    sink: EventList = field(default_factory=EventList)
    saver: InMemorySaver = field(default_factory=InMemorySaver)
    config: Any = field(default_factory=lambda: {"configurable": {"thread_id": "1"}})

    async def run_step(self, step: Step, results: Results, commit: Commit | None) -> StepResult:
        given = f"{step.id}({','.join(results[k].result for k in step.depends_on)})"
        self.started.append(given)
        await asyncio.sleep(1)
        await self.sink.emit(StepFinished(result=StepResult(id=step.id, status="success", result=given)))
        return StepResult(id=step.id, status="success", result=given)

    def dispatcher(self) -> Dispatcher:
        return Dispatcher(self.plan, self.run_step, self.sink, held=self.before)

    def graph(self, dispatcher: Dispatcher) -> Any:
        return compile_plan(
            self.plan, dispatcher.result_of, no_answer, checkpointer=self.saver, interrupt_before=self.before
        )
