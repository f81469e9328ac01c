"""Any plan compiles; every step runs once, after its dependencies; the joiner runs once, last."""

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from graphs.compile import compile_plan, node_name
from graphs.events import Answered, StepResult
from graphs.plan import MAX_STEPS, Plan, Step
from graphs.state import STATE_CLASSES, Results


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Random directed acyclic graphs of up to MAX_STEPS steps."""
    count = draw(st.integers(1, MAX_STEPS))
    steps: list[Step] = []
    for k in range(1, count + 1):
        needed = draw(st.sets(st.integers(1, k - 1), max_size=4)) if k > 1 else set[int]()
        steps.append(Step(id=k, text=f"step {k}", expert="math", depends_on=tuple(needed)))
    return Plan(steps=tuple(steps))


def value(step: Step, results: Results) -> str:
    return f"{step.id}({','.join(results[k].result for k in step.depends_on)})"


def run_in_order(plan: Plan) -> dict[int, StepResult]:
    results: dict[int, StepResult] = {}
    for step in plan.steps:
        results[step.id] = StepResult(id=step.id, status="success", result=value(step, results))
    return results


@settings(max_examples=40, deadline=None)
@given(plans())
def test_a_graph_finds_what_running_in_order_finds(plan: Plan) -> None:
    started: list[int] = []

    async def run_step(step: Step, results: Results) -> StepResult:
        started.append(step.id)
        await asyncio.sleep(0)
        return StepResult(id=step.id, status="success", result=value(step, results))

    async def join(results: Results) -> Answered:
        started.append(0)
        return Answered(answer=str(len(results)), source="assembled")

    state: dict[str, Any] = asyncio.run(compile_plan(plan, run_step, join).ainvoke({"results": {}, "answer": None}))
    assert sorted(started) == list(range(len(plan.steps) + 1))
    assert started[-1] == 0
    assert state["results"] == run_in_order(plan)
    assert state["answer"].answer == str(len(plan.steps))


async def test_a_checkpointer_keeps_every_superstep() -> None:
    saver = InMemorySaver(serde=JsonPlusSerializer(allowed_msgpack_modules=STATE_CLASSES))
    plan = Plan(steps=(Step(id=1, text="a", expert="math"), Step(id=2, text="#1", expert="math")))

    async def run_step(step: Step, results: Results) -> StepResult:
        return StepResult(id=step.id, status="success", result=value(step, results))

    async def join(results: Results) -> Answered:
        return Answered(answer=str(len(results)), source="assembled")

    graph = compile_plan(plan, run_step, join, checkpointer=saver)
    thread: RunnableConfig = {"configurable": {"thread_id": "a run"}}
    await graph.ainvoke({"results": {}, "answer": None}, thread)
    history = [snapshot.values.get("results", {}) async for snapshot in graph.aget_state_history(thread)]
    assert [len(results) for results in history] == [2, 2, 1, 0, 0]
    assert history[0] == run_in_order(plan)


def test_dependencies_are_real_edges_of_the_graph() -> None:
    texts = ["a", "b", "#1 and #2", "#3"]
    plan = Plan(steps=tuple(Step(id=k, text=text, expert="math") for k, text in enumerate(texts, start=1)))

    async def run_step(step: Step, results: Results) -> StepResult:
        return StepResult(id=step.id, status="success")

    async def join(results: Results) -> Answered:
        return Answered(answer="", source="assembled")

    edges = {(edge.source, edge.target) for edge in compile_plan(plan, run_step, join).get_graph().edges}
    assert node_name(3) == "r1.s3"
    assert {("r1.s1", "r1.s3"), ("r1.s2", "r1.s3"), ("r1.s3", "r1.s4"), ("r1.s4", "joiner")} <= edges
    assert ("r1.s1", "joiner") not in edges


def test_a_later_round_has_nodes_for_its_own_steps_only() -> None:
    steps = (
        Step(id=1, text="a", expert="math"),
        Step(id=2, text="#1", expert="math"),
        Step(id=3, text="#1 and b", expert="math", round=2),
        Step(id=4, text="#3", expert="math", round=2),
    )

    async def run_step(step: Step, results: Results) -> StepResult:
        return StepResult(id=step.id, status="success", result=value(step, results))

    async def join(results: Results) -> Answered:
        return Answered(answer="", source="assembled")

    graph = compile_plan(Plan(steps=steps), run_step, join, known=(1, 2))
    edges = {(edge.source, edge.target) for edge in graph.get_graph().edges}
    assert edges == {("__start__", "r2.s3"), ("r2.s3", "r2.s4"), ("r2.s4", "joiner"), ("joiner", "__end__")}
    known = {k: StepResult(id=k, status="success", result="x") for k in (1, 2)}
    state: dict[str, Any] = asyncio.run(graph.ainvoke({"results": known, "answer": None}))
    assert [result.result for result in state["results"].values()] == ["x", "x", "3(x)", "4(3(x))"]
