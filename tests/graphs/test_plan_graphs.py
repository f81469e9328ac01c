"""Plans of one shape share a graph, and each is run with its own steps."""

import asyncio

from graphs.events import Answered, StepResult
from graphs.plan import Plan, Step
from graphs.plan_graphs import MAX_KEPT, PlanContext, PlanGraphs
from graphs.state import Results


def chain(*texts: str) -> Plan:
    """Each step needs the one before."""
    steps = (
        Step(id=k, text=text, expert="math", depends_on=(k - 1,) if k > 1 else ()) for k, text in enumerate(texts, 1)
    )
    return Plan(steps=tuple(steps))


async def run_step(step: Step, results: Results) -> StepResult:
    await asyncio.sleep(0)
    return StepResult(id=step.id, status="success", result=f"{step.text} after {len(results)}")


async def join(results: Results) -> Answered:
    return Answered(answer=", ".join(result.result for result in results.values()), source="assembled")


async def answer(graphs: PlanGraphs, plan: Plan) -> str:
    context = PlanContext({step.id: step for step in plan.steps}, run_step, join)
    found = await graphs.of(plan).ainvoke({"results": {}, "answer": None}, context=context)
    return found["answer"].answer


def test_plans_share_a_graph_if_their_steps_need_each_other_alike() -> None:
    graphs = PlanGraphs()
    assert graphs.of(chain("a", "b")) is graphs.of(chain("c", "d"))
    assert graphs.of(chain("a", "b")) is not graphs.of(chain("a", "b", "c"))
    apart = Plan(steps=(Step(id=1, text="a", expert="math"), Step(id=2, text="b", expert="math")))
    assert graphs.of(chain("a", "b")) is not graphs.of(apart)


async def test_runs_that_share_a_graph_at_the_same_time_have_their_own_steps() -> None:
    graphs = PlanGraphs()
    answers = await asyncio.gather(answer(graphs, chain("a", "b")), answer(graphs, chain("c", "d")))
    assert answers == ["a after 0, b after 1", "c after 0, d after 1"]


def test_graphs_that_were_not_asked_for_lately_are_forgotten() -> None:
    graphs = PlanGraphs()
    shapes = [Plan(steps=(Step(id=1, text="a", expert="math", round=k),)) for k in range(1, MAX_KEPT + 2)]
    first, second = graphs.of(shapes[0]), graphs.of(shapes[1])
    for shape in shapes[2:MAX_KEPT]:
        graphs.of(shape)
    assert graphs.of(shapes[0]) is first
    graphs.of(shapes[MAX_KEPT])
    assert graphs.of(shapes[0]) is first
    assert graphs.of(shapes[1]) is not second
