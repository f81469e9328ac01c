"""Every step starts when its last dependency has committed; a run ends as the rules say, whatever its steps do."""

import asyncio

import pytest
from hypothesis import given, settings

from graphs.compile import compile_plan
from graphs.dispatch import Dispatcher, step_key
from graphs.events import StepResult
from graphs.limits import Limits
from graphs.plan import Plan, Step
from graphs.protocols import StepKey
from graphs.run import RunOutcome, run_task
from graphs.state import Results
from graphs.step_runner import Commit
from tests.graphs.memory import Memory
from tests.graphs.paused_graph import no_answer, plan_of
from tests.graphs.random_runs import Scenario, scenarios
from tests.graphs.run_model import Expected, expected
from tests.graphs.scripted_client import EventList
from tests.graphs.timed_experts import NEVER, TimedEvents, TimedExperts, Try
from tests.graphs.virtual_time import now, run_virtually

TASK = "A task."


def taking(plan: Plan, *seconds: float) -> dict[tuple[str, str], tuple[Try, ...]]:
    return {(step.expert, step.text): (Try(seconds=s),) for step, s in zip(plan.steps, seconds, strict=True)}


# --- random runs against the model ---


@settings(max_examples=150, deadline=None)
@given(scenarios())
def test_a_run_ends_as_the_rules_say(scenario: Scenario) -> None:
    experts, sink = TimedExperts(scenario.tries), TimedEvents()
    limits = Limits(budget=scenario.budget)

    async def run() -> RunOutcome | None:
        work = asyncio.create_task(
            run_task(TASK, client=experts, tools={}, sink=sink, plan=scenario.plan, limits=limits)
        )
        if scenario.cancelled_at is not None:
            asyncio.get_running_loop().call_at(scenario.cancelled_at, work.cancel)
        await asyncio.wait({work})
        return None if work.cancelled() else work.result()

    outcome = run_virtually(run())
    model = expected(scenario.plan, scenario.tries, scenario.budget)
    assert experts.num_open == 0, "nothing goes on when the run is over"
    if outcome is None:
        assert scenario.cancelled_at is not None
        cut = {k for k, step in model.steps.items() if step.end < scenario.cancelled_at}
        assert set(sink.ended) == cut
    else:
        check(outcome, sink, model)


def check(outcome: RunOutcome, sink: TimedEvents, model: Expected) -> None:
    assert outcome.status == model.status
    for result in outcome.results:
        step = model.steps[result.id]
        if model.is_done(result.id):
            assert (result.status, result.result) == (step.status, step.result)
            assert sink.ended[result.id] == pytest.approx(step.end, abs=1e-9), "no step waits for a neighbour"
        else:
            assert (result.status, (result.error or "")[:20]) == ("skipped", "the run ended before")
            assert sink.ended[result.id] == pytest.approx(model.stop, abs=1e-9)
    assert [event.type for event in sink.events].count("step_finished") == len(outcome.results)


# --- one rule each ---


def test_a_chain_beside_a_slow_step_is_not_delayed() -> None:
    """The bare StateGraph ends this at 0.7: its second superstep waits for the slow step."""
    plan, sink = plan_of((), (), (1,), (3,)), TimedEvents()
    experts = TimedExperts(taking(plan, 0.1, 0.5, 0.1, 0.1))

    async def run() -> float:
        await run_task(TASK, client=experts, tools={}, sink=sink, plan=plan)
        return now()

    assert run_virtually(run()) == pytest.approx(0.5)
    assert sink.ended == pytest.approx({1: 0.1, 2: 0.5, 3: 0.2, 4: 0.3})


def test_a_run_that_is_cancelled_goes_on_where_it_was() -> None:
    plan, memory = plan_of((), (1,), (2,)), Memory()
    experts = TimedExperts(taking(plan, 1, 1, 1))

    async def run() -> RunOutcome:
        first = run_task(TASK, client=experts, tools={}, sink=EventList(), plan=plan, memo=memory)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(first, 2.5)
        return await run_task(TASK, client=experts, tools={}, sink=sink, plan=plan, memo=memory)

    sink = TimedEvents()
    assert run_virtually(run()).status == "success"
    assert experts.asked == {("law", "step 1"): 1, ("law", "step 2"): 1, ("law", "step 3"): 2}
    assert sink.ended == pytest.approx({1: 2.5, 2: 2.5, 3: 3.5})
    assert [key.step for key in memory.kept] == [1, 2, 3]


def test_a_result_is_committed_before_anybody_hears_of_it() -> None:
    plan, sink = plan_of((), (1,)), TimedEvents()
    committed: dict[int, float] = {}

    class Slow(Memory):
        async def commit(self, key: StepKey, result: StepResult) -> None:
            await asyncio.sleep(1)
            committed[key.step] = now()

    run_virtually(run_task(TASK, client=TimedExperts({}), tools={}, sink=sink, plan=plan, memo=Slow()))
    assert committed == sink.ended == {1: 1, 2: 2}


def test_a_failure_is_not_kept() -> None:
    plan, memory = plan_of(()), Memory()
    experts = TimedExperts({("law", "step 1"): (Try("error"), Try())})

    async def run() -> list[str]:
        return [
            (await run_task(TASK, client=experts, tools={}, sink=EventList(), plan=plan, memo=memory)).status
            for _ in range(2)
        ]

    assert run_virtually(run()) == ["error", "success"]


def test_the_key_of_a_step_changes_with_all_that_it_is_given() -> None:
    needed, step = Step(id=1, text="needed", expert="law"), Step(id=2, text="step", expert="law", depends_on=(1,))
    plan, other_plan = (Plan(steps=(one, step)) for one in (needed, needed.model_copy(update={"text": "other"})))
    given = {1: StepResult(id=1, status="success", result="yes")}
    key = step_key(step, plan, given)
    assert key == step_key(step, plan, {1: given[1].model_copy(update={"seconds": 5.0, "confidence": 0.1})})
    others = [
        step_key(step.model_copy(update={"text": "other"}), plan, given),
        step_key(step.model_copy(update={"expert": "general"}), plan, given),
        step_key(step, plan, {1: given[1].model_copy(update={"result": "no"})}),
        step_key(step, other_plan, given),
    ]
    assert len({key.digest, *(other.digest for other in others)}) == 5


def test_a_fault_of_a_step_ends_the_run_and_its_siblings() -> None:
    """Step 4 is ahead of LangGraph, which still waits for step 2."""
    plan = plan_of((), (), (1,), (3,))
    cancelled: list[int] = []

    async def run_step(step: Step, results: Results, commit: Commit | None) -> StepResult:
        if step.id == 4:
            raise ZeroDivisionError("a fault")
        try:
            await asyncio.sleep(NEVER if step.id == 2 else 1)
        except asyncio.CancelledError:
            cancelled.append(step.id)
            raise
        return StepResult(id=step.id, status="success")

    async def run() -> float:
        with pytest.raises(ZeroDivisionError, match="a fault"):
            async with Dispatcher(plan, run_step, EventList()) as dispatcher:
                await compile_plan(plan, dispatcher.result_of, no_answer).ainvoke({"results": {}, "answer": None})
        return now()

    assert run_virtually(run()) == 2
    assert cancelled == [2]


def test_a_step_that_cancels_itself_is_a_fault() -> None:
    async def run_step(step: Step, results: Results, commit: Commit | None) -> StepResult:
        raise asyncio.CancelledError

    async def run() -> None:
        plan = plan_of(())
        async with Dispatcher(plan, run_step, EventList()) as dispatcher:
            await compile_plan(plan, dispatcher.result_of, no_answer).ainvoke({"results": {}, "answer": None})

    with pytest.raises(RuntimeError, match="cancelled by its own code"):
        run_virtually(run())
