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
Join = Callable[[Results], Awaitable[Answered | None]]
"""None asks for another round of planning."""
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
    known: Collection[int] = (),
    checkpointer: BaseCheckpointSaver[Any] | None = None,
) -> CompiledStateGraph[RunState, Any, Any, Any]:
    """The graph of a plan. Every step runs once, after those that it depends on; the joiner runs last.

    The checkpointer, if there is one, keeps where the graph stands.

    START ─► roots ─► … ─► sinks ─► joiner ─► END

    Steps that are known, from earlier rounds of planning, are in the state that the graph is invoked with.
    """
    graph = StateGraph(RunState)
    steps = [step for step in plan.steps if step.id not in known]
    nodes = {step.id: node_name(step.id, step.round) for step in steps}
    for step in steps:
        graph.add_node(nodes[step.id], _step_node(step, run_step))
    graph.add_node(JOINER, _join_node(join))
    for step in steps:
        _connect(graph, [nodes[k] for k in step.depends_on if k in nodes], nodes[step.id])
    needed = {k for step in steps for k in step.depends_on}
    _connect(graph, [node for k, node in nodes.items() if k not in needed], JOINER)
    graph.add_edge(JOINER, END)
    return graph.compile(checkpointer=checkpointer)


def _connect(graph: StateGraph[RunState, Any, Any, Any], sources: list[str], target: str) -> None:
    match sources:
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
