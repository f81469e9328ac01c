"""A Plan as a LangGraph graph: a node per step, each step's dependencies as one joined edge, then the joiner."""

from collections.abc import Awaitable, Callable, Collection
from typing import Any, Protocol

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from graphs.events import Answered, StepResult
from graphs.plan import Plan, Step
from graphs.state import Results, RunState

RunStep = Callable[[Step, Results], Awaitable[StepResult]]
Join = Callable[[Results], Awaitable[Answered]]
JOINER = "joiner"


class _Node(Protocol):
    async def __call__(self, state: RunState) -> dict[str, Any]: ...


def node_name(step: int, round_number: int = 1) -> str:
    """The node of a step: `r{round}.s{step}`."""
    return f"r{round_number}.s{step}"


def compile_plan(
    plan: Plan,
    run_step: RunStep,
    join: Join,
    *,
    checkpointer: BaseCheckpointSaver[Any] | None = None,
    interrupt_before: Collection[int] = (),
) -> CompiledStateGraph[RunState, Any, Any, Any]:
    """The graph of a plan. Every step runs once, after the steps that it depends on; the joiner runs last.

    START ─► roots ─► … ─► sinks ─► joiner ─► END

    Before the steps of `interrupt_before` it stops until it is invoked again; that needs a checkpointer.
    """
    graph = StateGraph(RunState)
    for step in plan.steps:
        graph.add_node(node_name(step.id), _step_node(step, run_step))
    graph.add_node(JOINER, _join_node(join))
    for step in plan.steps:
        _connect(graph, step.depends_on, node_name(step.id))
    _connect(graph, tuple(step.id for step in plan.sinks), JOINER)
    graph.add_edge(JOINER, END)
    paused = [node_name(step) for step in interrupt_before]
    return graph.compile(checkpointer=checkpointer, interrupt_before=paused)


def _connect(graph: StateGraph[RunState, Any, Any, Any], sources: tuple[int, ...], target: str) -> None:
    match [node_name(step) for step in sources]:
        case []:
            graph.add_edge(START, target)
        case [single]:
            graph.add_edge(single, target)
        case several:
            # one edge each would run the target once per source
            graph.add_edge(several, target)


def _step_node(step: Step, run_step: RunStep) -> _Node:
    async def node(state: RunState) -> dict[str, Any]:
        return {"results": {step.id: await run_step(step, state["results"])}}

    return node


def _join_node(join: Join) -> _Node:
    async def node(state: RunState) -> dict[str, Any]:
        return {"answer": await join(state["results"])}

    return node
