"""A run stops where it waits for persons, and goes on from the memo when they have answered."""

import asyncio
from collections import Counter
from functools import partial
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from graphs.asking import decided
from graphs.budget import Budget
from graphs.events import AnswerWanted
from graphs.limits import Limits
from graphs.person import PERSON, PersonAnswer
from graphs.plan import Plan, Step
from graphs.policies import StepPolicy
from graphs.run import RunOutcome, run_task
from tests.graphs.memory import Memory
from tests.graphs.paused_graph import Paused, plan_of
from tests.graphs.random_runs import Scenario, scenarios_with_persons
from tests.graphs.run_model import expected
from tests.graphs.scripted_client import EventList
from tests.graphs.timed_experts import TimedEvents, TimedExperts, Try
from tests.graphs.virtual_time import now, run_virtually

TASK = "A task."


def asked(sink: EventList) -> list[int]:
    return [event.step for event in sink.events if isinstance(event, AnswerWanted)]


@settings(max_examples=60, deadline=None)
@given(scenarios_with_persons(), st.booleans())
def test_whenever_persons_answer_the_run_ends_as_the_rules_say_and_nothing_is_done_twice(
    scenario: Scenario, is_one_by_one: bool
) -> None:
    plan, experts, memory = scenario.plan, TimedExperts(scenario.tries), Memory()

    async def run() -> RunOutcome:
        while True:
            outcome = await run_task(TASK, client=experts, tools={}, sink=EventList(), plan=plan, memo=memory)
            assert experts.num_open == 0
            if outcome.status != "interrupted":
                return outcome
            for wanted in outcome.wanted[: 1 if is_one_by_one else None]:
                is_yes = scenario.tries[PERSON, wanted.text][0].end == "answer"
                decision = PersonAnswer(decision="approve", text="yes") if is_yes else PersonAnswer(decision="reject")
                await memory.answer(plan, wanted, decision)

    outcome, model = run_virtually(run()), expected(plan, scenario.tries, Budget())
    assert outcome.status == model.status
    assert {one.id: (one.status, one.result) for one in outcome.results} == {
        k: (step.status, step.result) for k, step in model.steps.items()
    }
    attempts = Counter({k: len(step.attempts) for k, step in model.steps.items()})
    for step in plan.steps:
        if step.expert != PERSON:
            # `general` may have been asked instead
            assert experts.asked[step.expert, step.text] + experts.asked["general", step.text] == attempts[step.id]


def test_all_that_needs_no_answer_runs_to_its_end_first() -> None:
    """1 ─▶ 2 (a person) ─▶ 3; 4 ─▶ 5, of a second each; 6 is another person's."""
    plan, sink = plan_of((), (1,), (2,), (), (4,), (), persons=[2, 6]), TimedEvents()
    experts = TimedExperts({("law", f"step {k}"): [Try(seconds=1)] for k in (1, 4, 5)})

    async def run() -> tuple[RunOutcome, float]:
        return await run_task(TASK, client=experts, tools={}, sink=sink, plan=plan, memo=Memory()), now()

    outcome, ended = run_virtually(run())
    assert (outcome.status, ended, asked(sink)) == ("interrupted", 2, [6, 2])
    assert [result.id for result in outcome.results] == [1, 4, 5]
    assert [wanted.step for wanted in outcome.wanted] == [2, 6]
    assert (outcome.answer.answer, sink.of_type("answered")) == ("", []), "nobody is asked to join"


def test_an_answer_is_heard_while_others_run() -> None:
    plan, sink, memory = plan_of((), (1,), (), persons=[1]), TimedEvents(), Memory()
    experts = TimedExperts({("law", "step 2"): [Try(seconds=1)], ("law", "step 3"): [Try(seconds=9)]})

    async def run() -> RunOutcome:
        running = asyncio.create_task(
            run_task(TASK, client=experts, tools={}, sink=sink, plan=plan, memo=memory),
        )
        await asyncio.sleep(5)
        await memory.approve(plan, [event for event in sink.events if isinstance(event, AnswerWanted)])
        return await running

    assert run_virtually(run()).status == "success"
    assert sink.ended == {1: 5, 2: 6, 3: 9}


def test_a_run_that_is_stopped_waits_for_nobody() -> None:
    policy = StepPolicy(on_failure="fail")
    steps = (Step(id=1, text="Pay?", expert=PERSON), Step(id=2, text="step 2", expert="law", policy=policy))
    experts = TimedExperts({("law", "step 2"): [Try("error", seconds=1)]})
    outcome = run_virtually(run_task(TASK, client=experts, tools={}, sink=EventList(), plan=Plan(steps=steps)))
    assert (outcome.status, outcome.wanted) == ("error", ())
    assert [result.status for result in outcome.results] == ["skipped", "error"]


def test_a_question_whose_inputs_failed_is_not_asked() -> None:
    sink, experts = EventList(), TimedExperts({("law", "step 1"): [Try("error")]})
    plan = plan_of((), (1,), persons=[2])
    outcome = run_virtually(run_task(TASK, client=experts, tools={}, sink=sink, plan=plan, memo=Memory()))
    assert (asked(sink), [result.status for result in outcome.results]) == ([], ["error", "skipped"])


def test_with_rounds_of_planning_the_outer_graph_stops_too() -> None:
    plan, memory, limits = plan_of((), (1,), persons=[1]), Memory(), Limits(max_rounds=2)

    async def run() -> list[str]:
        statuses: list[str] = []
        for _ in range(2):
            outcome = await run_task(
                TASK, client=TimedExperts({}), tools={}, sink=EventList(), plan=plan, memo=memory, limits=limits
            )
            statuses.append(outcome.status)
            await memory.approve(plan, outcome.wanted)
        return statuses

    assert run_virtually(run()) == ["interrupted", "success"]


def test_seconds_in_which_it_waits_are_not_spent() -> None:
    plan, memory, limits = plan_of((), (1,), (2,), persons=[2]), Memory(), Limits(budget=Budget(seconds=5))
    experts = TimedExperts({("law", f"step {k}"): [Try(seconds=3)] for k in (1, 3)})

    async def run() -> tuple[RunOutcome, float]:
        once = partial(
            run_task, TASK, client=experts, tools={}, sink=EventList(), plan=plan, memo=memory, limits=limits
        )
        stopped = await once()
        await asyncio.sleep(1000)
        await memory.approve(plan, stopped.wanted)
        return await once(spent=stopped.spent), now()

    outcome, ended = run_virtually(run())
    assert ended == 3 + 1000 + 2, "2 of 5 seconds were left over from before"
    assert (outcome.status, outcome.results[2].status) == ("budget_exhausted", "skipped")


def test_what_a_person_says_is_the_result() -> None:
    step = Step(id=2, text="Pay?", expert=PERSON)
    said = {
        "approved": PersonAnswer(decision="approve"),
        "but not more": PersonAnswer(decision="approve", text=" but not more "),
        "seven": PersonAnswer(decision="text", text="seven\n"),
    }
    for result, answer in said.items():
        found = decided(step, answer, "ana")
        assert (found.status, found.result, found.answered_by) == ("success", result, "ana")


def test_a_rejection_is_an_error_or_the_default() -> None:
    answer = PersonAnswer(decision="reject", text="too dear")
    failed = decided(Step(id=2, text="Pay?", expert=PERSON), answer, "ana")
    assert (failed.status, failed.error_kind, failed.error) == ("error", "rejected", "rejected by ana: too dear")
    policy = StepPolicy(on_failure="default", default="0")
    found = decided(Step(id=2, text="Pay?", expert=PERSON, policy=policy), answer, "ana")
    assert (found.status, found.result) == ("success", "0")
    assert found.warnings == ("the default, as there is no result: rejected by ana: too dear",)


# --- the graph itself, from its checkpoint ---


def texts(state: Any) -> list[str]:
    return [result.result for _, result in sorted(state["results"].items())]


def test_an_interrupt_holds_back_what_lies_behind_it_and_nothing_else() -> None:
    """1 ─▶ 2 (a person) ─▶ 3, and 4 ─▶ 5 ─▶ 6 beside it."""
    paused = Paused(plan_of((), (1,), (2,), (), (4,), (5,), persons=[2]))

    async def run() -> Any:
        stopped = await paused.begin()
        [interrupt] = stopped["__interrupt__"]
        assert (interrupt.value["step"], interrupt.value["text"]) == (2, "step 2")
        assert paused.started == ["1()", "4()", "5(4())", "6(5(4()))"]
        await paused.approve()
        return await paused.go_on()

    state = run_virtually(run())
    assert texts(state) == ["1()", "yes", "3(yes)", "4()", "5(4())", "6(5(4()))"]


def test_a_graph_without_an_answer_stops_again() -> None:
    paused = Paused(plan_of((), (1,), persons=[2]))

    async def run() -> Any:
        await paused.begin()
        return await paused.go_on()

    state = run_virtually(run())
    assert [interrupt.value["step"] for interrupt in state["__interrupt__"]] == [2]
    assert paused.started == ["1()"]


def test_a_state_that_was_edited_invalidates_what_was_started_from_the_old_values() -> None:
    """4 and 5 run ahead on the first result of 1, and 2 is asked; then a person corrects 1."""
    paused = Paused(plan_of((), (1,), (2,), (1,), (4,), persons=[2]))

    async def run() -> Any:
        await paused.begin()
        assert paused.started == ["1()", "4(1())", "5(4(1()))"]
        await paused.approve()
        await paused.edit_first()
        assert "__interrupt__" in await paused.go_on(), "what was approved was another thing"
        await paused.approve()
        return await paused.go_on()

    assert texts(run_virtually(run())) == ["edited", "yes", "3(yes)", "4(edited)", "5(4(edited))"]


def test_a_fork_runs_from_its_own_values_and_keeps_what_came_before() -> None:
    paused = Paused(plan_of((), (1,), (2,)))

    async def run() -> Any:
        await paused.begin()
        return await paused.go_on(await paused.edit_first(await paused.after_first()))

    assert texts(run_virtually(run())) == ["edited", "2(edited)", "3(2(edited))"]
    assert paused.started == ["1()", "2(1())", "3(2(1()))", "2(edited)", "3(2(edited))"]


def test_a_fork_of_a_resumed_run_does_not_find_what_the_state_had_before() -> None:
    paused = Paused(plan_of((), (1,), (2,), (3,), persons=[3, 4]))

    async def run() -> Any:
        await paused.begin()
        await paused.approve()
        assert texts(await paused.go_on()) == ["1()", "2(1())", "yes"]
        return await paused.go_on(await paused.edit_first(await paused.after_first()))

    assert texts(run_virtually(run())) == ["edited", "2(edited)"]
    assert paused.started == ["1()", "2(1())", "2(edited)"]
