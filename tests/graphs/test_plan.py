"""A plan is a small directed acyclic graph, and cannot be anything else."""

import pytest
from pydantic import ValidationError

from graphs.plan import Plan, Step


def test_dependencies_come_from_the_references_and_from_the_hand() -> None:
    step = Step(id=4, text="Add #3 and #1", expert="math", depends_on=(2,))
    assert step.references == (1, 3)
    assert step.depends_on == (1, 2, 3)


@pytest.mark.parametrize("text", ["Add #2", "Add #3", "Add #0"])
def test_a_step_refers_only_to_steps_before_it(text: str) -> None:
    with pytest.raises(ValidationError, match="only to steps before it"):
        Step(id=2, text=text, expert="math")


@pytest.mark.parametrize("text", ["", "   \n"])
def test_a_step_asks_something(text: str) -> None:
    with pytest.raises(ValidationError):
        Step(id=1, text=text, expert="math")


@pytest.mark.parametrize("ids", [(), (2,), (1, 1), (1, 3), (2, 1), tuple(range(1, 202))])
def test_ids_count_from_one_to_at_most_two_hundred(ids: tuple[int, ...]) -> None:
    with pytest.raises(ValidationError):
        Plan(steps=tuple(Step(id=k, text="x", expert="math") for k in ids))


def test_sinks_are_the_steps_that_nothing_depends_on() -> None:
    texts = ["a", "b", "c of #1", "d"]
    plan = Plan(steps=tuple(Step(id=k, text=text, expert="math") for k, text in enumerate(texts, start=1)))
    assert [step.id for step in plan.sinks] == [2, 3, 4]
    plan.check_experts({"math"})
    with pytest.raises(ValueError, match="unknown expert 'math'; known: law"):
        plan.check_experts({"law"})


def test_steps_behind_a_step_are_the_rest_of_its_longest_way() -> None:
    plan = Plan(
        steps=(
            Step(id=1, text="one", expert="math"),
            Step(id=2, text="two", expert="math"),
            Step(id=3, text="three", expert="math", depends_on=(1,)),
            Step(id=4, text="four", expert="math", depends_on=(1, 2, 3)),
        )
    )
    assert plan.steps_behind == {1: 2, 2: 1, 3: 1, 4: 0}
