"""Random plans whose steps take known times."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from graphs.plan import Plan, Step
from graphs.protocols import GENERAL

NUM_STEPS = (8, 30)
SECONDS = (0.05, 0.5)
MAX_NEEDED = 3


@dataclass(frozen=True, slots=True)
class TimedPlan:
    """A plan, and how long the expert of each of its steps takes."""

    plan: Plan
    seconds: Mapping[int, float]

    @property
    def critical_path(self) -> float:
        """The longest chain of steps, in seconds: no way of running the plan is faster."""
        ends: dict[int, float] = {}
        for step in self.plan.steps:
            ends[step.id] = max((ends[k] for k in step.depends_on), default=0.0) + self.seconds[step.id]
        return max(ends.values())


def random_plan(chance: Random, num_steps: int, seconds: tuple[float, float] = SECONDS) -> TimedPlan:
    """Each step needs up to MAX_NEEDED of the steps before it."""
    steps: list[Step] = []
    for k in range(1, num_steps + 1):
        needed = chance.sample(range(1, k), chance.randint(0, min(k - 1, MAX_NEEDED)))
        steps.append(Step(id=k, text=f"step {k}", expert=GENERAL, depends_on=tuple(sorted(needed))))
    return TimedPlan(Plan(steps=tuple(steps)), {step.id: chance.uniform(*seconds) for step in steps})


def random_plans(count: int, seed: int = 0) -> list[TimedPlan]:
    """The same plans for the same seed, of NUM_STEPS steps that take SECONDS each."""
    chance = Random(seed)
    return [random_plan(chance, chance.randint(*NUM_STEPS)) for _ in range(count)]
