"""What becomes of a run, worked out from the rules alone: no event loop, no graph, a few sums of seconds.

A step begins when all it needs has ended. The run stops at the first moment that a required step fails, a step or an
attempt asks for more than is left, or the seconds are over; what has ended by then stays, everything else is skipped.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from graphs.budget import Budget
from graphs.plan import Plan, Step
from graphs.policies import StepPolicy
from tests.graphs.timed_experts import NUM_PROMPT_TOKENS, Try

TOKENS = NUM_PROMPT_TOKENS + 1
Tries = Mapping[tuple[str, str], Sequence[Try]]


@dataclass(frozen=True)
class Attempted:
    """One attempt at a step."""

    begin: float
    end: float
    failure: Literal["generation", "timeout"] | None


@dataclass(frozen=True)
class Ended:
    """How a step would end if nothing stopped the run."""

    status: Literal["success", "error", "skipped"]
    begin: float
    end: float
    result: str = ""
    attempts: tuple[Attempted, ...] = ()
    is_required: bool = False
    has_doubt: bool = False


@dataclass(frozen=True)
class Expected:
    """How the run ends; `stop` is when it ended early, if it did."""

    status: str
    steps: Mapping[int, Ended]
    stop: float | None

    def is_done(self, step: int) -> bool:
        return self.stop is None or self.steps[step].end <= self.stop


def expected(plan: Plan, tries: Tries, budget: Budget) -> Expected:
    """The end of a run of this plan."""
    steps: dict[int, Ended] = {}
    for step in plan.steps:
        begin = max((steps[k].end for k in step.depends_on), default=0.0)
        if any(steps[k].status != "success" for k in step.depends_on):
            steps[step.id] = Ended("skipped", begin, begin)
        else:
            steps[step.id] = _ended(step, tries, begin)
    stop, status = min(_stops(steps, budget), default=(None, ""))
    if stop is None:
        sinks = [steps[step.id] for step in plan.sinks]
        status = "success" if any(sink.status == "success" for sink in sinks) else "error"
        is_phrased = all(one.status == "success" and not one.has_doubt for one in steps.values())
        if is_phrased and budget.tokens is not None and _tokens(steps, float("inf")) >= budget.tokens:
            status = "budget_exhausted"
    return Expected(status, steps, stop)


def _ended(step: Step, tries: Tries, begin: float) -> Ended:
    policy = step.policy or StepPolicy()
    attempts = list(_attempts(policy, tries[step.expert, step.text], begin))
    if attempts[-1].failure is None:
        return Ended("success", begin, attempts[-1].end, "yes", tuple(attempts))
    if policy.on_failure == "default":
        return Ended("success", begin, attempts[-1].end, policy.default or "", tuple(attempts), has_doubt=True)
    if policy.on_failure == "general":
        attempts += _attempts(policy, tries["general", step.text], attempts[-1].end)
        if attempts[-1].failure is None:
            return Ended("success", begin, attempts[-1].end, "yes", tuple(attempts), has_doubt=True)
    is_required = policy.on_failure == "fail"
    return Ended("error", begin, attempts[-1].end, "", tuple(attempts), is_required)


def _attempts(policy: StepPolicy, tries: Sequence[Try], begin: float) -> Iterator[Attempted]:
    at, number = begin, 0
    while True:
        one = tries[min(number, len(tries) - 1)]
        number += 1
        is_late = policy.timeout is not None and one.seconds > policy.timeout
        end = at + (policy.timeout or 0 if is_late else one.seconds)
        failure = "timeout" if is_late else "generation" if one.end == "error" else None
        yield Attempted(at, end, failure)
        retry = policy.retry
        if failure is None or retry is None or failure not in retry.on or number == retry.max_attempts:
            return
        at = end + min(retry.base_seconds * retry.factor ** (number - 1), retry.max_seconds)


def _tokens(steps: Mapping[int, Ended], until: float) -> int:
    attempts = [one for step in steps.values() for one in step.attempts]
    return sum(TOKENS for one in attempts if one.failure is None and one.end <= until)


def _stops(steps: Mapping[int, Ended], budget: Budget) -> Iterator[tuple[float, str]]:
    """All moments at which the run would stop, and its status then."""
    begun = [step for step in steps.values() if step.status != "skipped"]
    for step in begun:
        if step.is_required:
            yield step.end, "timeout" if step.attempts[-1].failure == "timeout" else "error"
    begins = sorted(step.begin for step in begun)
    if budget.steps is not None and len(begins) > budget.steps:
        yield begins[budget.steps], "budget_exhausted"
    if budget.seconds is not None and max(step.end for step in steps.values()) > budget.seconds:
        yield budget.seconds, "budget_exhausted"
    if budget.tokens is not None:
        for one in (one for step in begun for one in step.attempts):
            if _tokens(steps, one.begin) >= budget.tokens:
                yield one.begin, "budget_exhausted"
