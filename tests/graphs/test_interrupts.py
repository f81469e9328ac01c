"""A graph stops at a question to a person and goes on from its checkpoint; an edited state or a fork asks anew."""

from typing import Any

from tests.graphs.paused_graph import Paused, plan_of
from tests.graphs.virtual_time import run_virtually


def results(state: Any) -> list[str]:
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
    assert results(state) == ["1()", "yes", "3(yes)", "4()", "5(4())", "6(5(4()))"]


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

    assert results(run_virtually(run())) == ["edited", "yes", "3(yes)", "4(edited)", "5(4(edited))"]


def test_a_fork_runs_from_its_own_values_and_keeps_what_came_before() -> None:
    paused = Paused(plan_of((), (1,), (2,)))

    async def run() -> Any:
        await paused.begin()
        return await paused.go_on(await paused.edit_first(await paused.after_first()))

    assert results(run_virtually(run())) == ["edited", "2(edited)", "3(2(edited))"]
    assert paused.started == ["1()", "2(1())", "3(2(1()))", "2(edited)", "3(2(edited))"]


def test_a_fork_of_a_resumed_run_does_not_find_what_the_state_had_before() -> None:
    paused = Paused(plan_of((), (1,), (2,), (3,), persons=[3, 4]))

    async def run() -> Any:
        await paused.begin()
        await paused.approve()
        assert results(await paused.go_on()) == ["1()", "2(1())", "yes"]
        return await paused.go_on(await paused.edit_first(await paused.after_first()))

    assert results(run_virtually(run())) == ["edited", "2(edited)"]
    assert paused.started == ["1()", "2(1())", "2(edited)"]
