"""Plans to measure with."""

from graphs.benchmark.random_plans import (
    NUM_STEPS,
    SECONDS,
    TimedPlan,
    chained_plan,
    random_plans,
    seconds_by_text,
)
from graphs.plan import Plan, Step


def test_the_critical_path_is_the_longest_chain() -> None:
    needed = [(), (), (1,), (2, 3)]
    steps = (Step(id=k, text=f"step {k}", expert="general", depends_on=deps) for k, deps in enumerate(needed, 1))
    timed = TimedPlan(Plan(steps=tuple(steps)), {1: 0.5, 2: 0.9, 3: 0.25, 4: 0.25})
    assert timed.critical_path == 0.9 + 0.25


def test_a_seed_makes_the_same_plans() -> None:
    assert random_plans(3, seed=5) == random_plans(3, seed=5) != random_plans(3, seed=6)


def test_plans_have_the_sizes_and_times_that_are_measured() -> None:
    plans = random_plans(50)
    sizes = [len(timed.plan.steps) for timed in plans]
    assert NUM_STEPS[0] <= min(sizes) < max(sizes) <= NUM_STEPS[1]
    assert all(SECONDS[0] <= seconds <= SECONDS[1] for timed in plans for seconds in timed.seconds.values())
    assert any(len(step.depends_on) > 1 for timed in plans for step in timed.plan.steps)


def test_no_two_steps_have_the_same_text() -> None:
    """Else simulated experts that serve all plans would not know how long to take."""
    plans = random_plans(20)
    times = seconds_by_text(plans)
    assert len(times) == sum(len(timed.plan.steps) for timed in plans)
    assert all(times[step.text] == timed.seconds[step.id] for timed in plans for step in timed.plan.steps)


def test_in_a_chain_each_step_needs_the_one_before_it() -> None:
    chain = chained_plan(4)
    assert [step.depends_on for step in chain.plan.steps] == [(), (1,), (2,), (3,)]
    assert chain.critical_path == 0
