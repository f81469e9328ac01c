"""Random plans with policies, what their experts do and persons say, budgets and cancellations."""

from dataclasses import dataclass, replace

from hypothesis import strategies as st

from graphs.budget import Budget
from graphs.person import PERSON
from graphs.plan import Plan, Step
from graphs.policies import ErrorKind, OnFailure, Retry, StepPolicy
from tests.graphs.run_model import Tries
from tests.graphs.timed_experts import Try

GRID = 0.01


@dataclass(frozen=True)
class Scenario:
    """A plan, what its experts do, what the run may spend, and when it is cancelled, if it is."""

    plan: Plan
    tries: Tries
    budget: Budget
    cancelled_at: float | None


@st.composite
def policies(draw: st.DrawFn, grain: float) -> StepPolicy:
    kinds: list[ErrorKind] = draw(st.sampled_from([["generation"], ["timeout"], ["generation", "timeout"]]))
    attempts = draw(st.integers(1, 3))
    retry = Retry(max_attempts=attempts, on=tuple(kinds), base_seconds=GRID, jitter=0) if attempts > 1 else None
    on_failure: OnFailure = draw(st.sampled_from(["skip", "skip", "fail", "default", "general"]))
    return StepPolicy(
        timeout=draw(st.sampled_from([None, 2.5 * GRID + grain])),
        retry=retry,
        on_failure=on_failure,
        default="none" if on_failure == "default" else None,
    )


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    steps: list[Step] = []
    tries: dict[tuple[str, str], tuple[Try, ...]] = {}
    for k in range(1, draw(st.integers(1, 7)) + 1):
        # sums of these never meet: no two steps end at the same moment unless one waits for the other
        grain = GRID * 0.1 / 4**k
        needed = draw(st.sets(st.integers(1, k - 1), max_size=3)) if k > 1 else set[int]()
        policy = draw(st.none() | policies(grain))
        expert = draw(st.sampled_from(["law", "medical"]))
        steps.append(Step(id=k, text=f"step {k}", expert=expert, depends_on=tuple(needed), policy=policy))
        seconds = st.sampled_from([n * GRID + grain for n in (1, 2, 4)])
        one = st.builds(Try, end=st.sampled_from(["answer", "answer", "error"]), seconds=seconds)
        for asked in (expert, "general"):
            tries[asked, f"step {k}"] = tuple(draw(st.lists(one, min_size=1, max_size=3)))
    over = st.none() | st.integers(0, 12).map(lambda n: n * GRID + GRID / 3)
    cancelled_at = draw(st.none() | st.integers(0, 12).map(lambda n: n * GRID + GRID / 5))
    budget = Budget(
        tokens=draw(st.none() | st.integers(1, 80)), seconds=draw(over), steps=draw(st.none() | st.integers(1, 7))
    )
    return Scenario(Plan(steps=tuple(steps)), tries, budget, cancelled_at)


@st.composite
def scenarios_with_persons(draw: st.DrawFn) -> Scenario:
    """Some steps are answered by persons, in no time: tries of theirs that end in an error are rejections.

    Nothing ends the run early, as the moment of that depends on when the persons answer.
    """
    scenario = draw(scenarios())
    tries = dict(scenario.tries)
    steps: list[Step] = []
    for step in scenario.plan.steps:
        policy = step.policy or StepPolicy()
        if policy.on_failure == "fail":
            policy = policy.model_copy(update={"on_failure": "skip"})
        expert = draw(st.sampled_from([PERSON, step.expert]))
        if expert == PERSON:
            kept: OnFailure = "default" if policy.on_failure == "default" else "skip"
            policy = StepPolicy(on_failure=kept, default=policy.default)
            tries[PERSON, step.text] = (Try(draw(st.sampled_from(["answer", "error"]))),)
        steps.append(step.model_copy(update={"expert": expert, "policy": policy}))
    return replace(scenario, plan=Plan(steps=tuple(steps)), tries=tries, budget=Budget(), cancelled_at=None)
