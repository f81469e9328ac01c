"""Compiled graphs by shape: plans whose steps need each other alike share one; compiling takes as long as running."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import get_runtime

from graphs.compile import Join, RunStep, compile_plan
from graphs.events import Answered, StepResult
from graphs.plan import Plan, Step
from graphs.state import Results, RunState

MAX_KEPT = 64

_Shape = tuple[tuple[int, int, tuple[int, ...]], ...]
_Graph = CompiledStateGraph[RunState, Any, Any, Any]


@dataclass(frozen=True, slots=True)
class PlanContext:
    """What a graph is invoked with, as LangGraph's `context`: the steps that its nodes stand for, and who runs them."""

    steps: Mapping[int, Step]
    run_step: RunStep
    join: Join


class PlanGraphs:
    """Graphs that leave their checkpoints at one checkpointer, if there is one."""

    def __init__(self, checkpointer: BaseCheckpointSaver[str] | None = None) -> None:
        self.checkpointer = checkpointer
        self._kept: dict[_Shape, _Graph] = {}

    def of(self, plan: Plan) -> _Graph:
        """The graph of the plan's shape, to be invoked with a PlanContext."""
        shape = tuple((step.id, step.round, step.depends_on) for step in plan.steps)
        graph = self._kept.pop(shape, None) or compile_plan(plan, _run_step, _join, checkpointer=self.checkpointer)
        self._kept[shape] = graph
        if len(self._kept) > MAX_KEPT:
            del self._kept[next(iter(self._kept))]
        return graph


async def _run_step(step: Step, results: Results) -> StepResult:
    context = get_runtime(PlanContext).context
    return await context.run_step(context.steps[step.id], results)


async def _join(results: Results) -> Answered | None:
    return await get_runtime(PlanContext).context.join(results)
