"""Plans whose graph stops at steps for a person and goes on from its checkpoint."""

import asyncio
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Overwrite

from graphs.compile import compile_plan, node_name
from graphs.dispatch import Dispatcher
from graphs.events import Answered, AnswerWanted, StepFinished, StepResult
from graphs.person import PERSON
from graphs.plan import Plan, Step
from graphs.state import Results
from graphs.step_runner import Commit
from tests.graphs.memory import Memory
from tests.graphs.scripted_client import EventList


def plan_of(*needed: tuple[int, ...], persons: Collection[int] = ()) -> Plan:
    """A step per tuple of what it needs."""
    steps = (
        Step(id=k, text=f"step {k}", expert=PERSON if k in persons else "law", depends_on=deps)
        for k, deps in enumerate(needed, start=1)
    )
    return Plan(steps=tuple(steps))


async def no_answer(results: Results) -> Answered:
    return Answered(answer="", source="assembled")


@dataclass
class Paused:
    """A graph with a checkpoint; every step of an expert takes a second and says what it was given."""

    plan: Plan
    memory: Memory = field(default_factory=Memory)
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

    @asynccontextmanager
    async def graph(self) -> AsyncGenerator[Any]:
        """The graph, as whoever goes on with it has it."""
        async with Dispatcher(self.plan, self.run_step, self.sink, memo=self.memory) as dispatcher:
            yield compile_plan(self.plan, dispatcher.result_of, no_answer, checkpointer=self.saver)

    async def go_on(self, config: Any = None, inputs: Any = None) -> Any:
        """Run the graph from its checkpoint until it stops."""
        async with self.graph() as graph:
            return await graph.ainvoke(inputs, config or self.config)

    async def begin(self) -> Any:
        """Run the graph until it stops."""
        return await self.go_on(inputs={"results": {}, "answer": None})

    async def edit_first(self, config: Any = None) -> Any:
        """A person corrects the result of step 1. The fork."""
        edited = Overwrite({1: StepResult(id=1, status="success", result="edited")})
        async with self.graph() as graph:
            return await graph.aupdate_state(config or self.config, {"results": edited}, as_node=node_name(1))

    async def after_first(self) -> Any:
        """The checkpoint in which step 1 alone has a result."""
        async with self.graph() as graph:
            history = [state async for state in graph.aget_state_history(self.config)]
        [after_one] = [state for state in history if list(state.values["results"]) == [1]]
        return after_one.config

    async def approve(self) -> None:
        """Say yes to the last question."""
        asked = [event for event in self.sink.events if isinstance(event, AnswerWanted)]
        await self.memory.approve(self.plan, asked[-1:])
