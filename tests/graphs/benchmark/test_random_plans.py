"""Plans to measure with."""

from graphs.benchmark.random_plans import NUM_STEPS, SECONDS, TimedPlan, random_plans
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
