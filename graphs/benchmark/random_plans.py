"""Random plans whose steps take known times."""

from collections.abc import Iterable, Mapping
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


def random_plan(
    chance: Random, num_steps: int, seconds: tuple[float, float] = SECONDS, name: str = "step"
) -> TimedPlan:
    """Each step needs up to MAX_NEEDED of the steps before it; its text is the name and its number."""
    steps: list[Step] = []
    for k in range(1, num_steps + 1):
        needed = chance.sample(range(1, k), chance.randint(0, min(k - 1, MAX_NEEDED)))
        steps.append(Step(id=k, text=f"{name} {k}", expert=GENERAL, depends_on=tuple(sorted(needed))))
    return TimedPlan(Plan(steps=tuple(steps)), {step.id: chance.uniform(*seconds) for step in steps})


def chained_plan(num_steps: int) -> TimedPlan:
    """Each step needs the one before it, and takes no time."""
    ids = range(1, num_steps + 1)
    steps = (Step(id=k, text=f"link {k}", expert=GENERAL, depends_on=(k - 1,) if k > 1 else ()) for k in ids)
    return TimedPlan(Plan(steps=tuple(steps)), dict.fromkeys(ids, 0.0))


def random_plans(count: int, seed: int = 0) -> list[TimedPlan]:
    """The same plans for the same seed, of NUM_STEPS steps that take SECONDS each; no two steps have the same text."""
    chance = Random(seed)
    return [random_plan(chance, chance.randint(*NUM_STEPS), name=f"plan {n} step") for n in range(count)]


def seconds_by_text(plans: Iterable[TimedPlan]) -> dict[str, float]:
    """What simulated experts are told: the time of each step of the plans, by its text."""
    return {step.text: timed.seconds[step.id] for timed in plans for step in timed.plan.steps}
