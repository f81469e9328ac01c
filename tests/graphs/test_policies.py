"""What a policy may say, and how long it waits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from graphs.errors import InvalidPlan
from graphs.plan import Plan
from graphs.policies import Quorum, Retry, StepPolicy
from graphs.validation import parse_plan


def test_waits_grow_up_to_a_limit() -> None:
    retry = Retry(max_attempts=6, base_seconds=1, factor=3, max_seconds=10, jitter=0)
    assert [retry.delay(attempt, 0.9) for attempt in range(1, 6)] == [1, 3, 9, 10, 10]


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_jitter_shortens_a_wait_by_its_part_at_most(attempt: int, chance: float) -> None:
    retry = Retry(base_seconds=1, max_seconds=10, jitter=0.25)
    full = retry.delay(attempt, 0)
    assert 0.75 * full <= retry.delay(attempt, chance) <= full <= 10


def test_a_step_of_a_given_plan_may_bring_its_policy() -> None:
    policy = {"timeout": 2, "retry": {"max_attempts": 2, "on": ["tool"]}, "on_failure": "default", "default": "0"}
    plan = parse_plan([{"id": 1, "text": "a", "expert": "law", "policy": policy}], ["law"])
    assert plan.steps[0].policy == StepPolicy(
        timeout=2, retry=Retry(max_attempts=2, on=("tool",)), on_failure="default", default="0"
    )
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


@pytest.mark.parametrize(
    ("policy", "fault"),
    [
        ({"timeout": 0}, "greater than 0"),
        ({"on_failure": "default"}, "give both or neither"),
        ({"default": "0"}, "give both or neither"),
        ({"retry": {"on": ["weather"]}}, "'generation', 'tool', 'timeout', 'step' or 'rejected'"),
        ({"quorum": {"samples": 2, "at_least": 3}}, "at_least is 3, of 2 samples"),
        ({"quorum": {"experts": ["poet"]}}, "step 1 names unknown expert 'poet'; known: law"),
    ],
)
def test_a_policy_that_cannot_hold_is_a_named_fault_of_the_plan(policy: object, fault: str) -> None:
    with pytest.raises(InvalidPlan, match=fault):
        parse_plan([{"id": 1, "text": "a", "expert": "law", "policy": policy}], ["law"])


def test_policies_are_values() -> None:
    policy = StepPolicy(quorum=Quorum())
    assert hash(policy) == hash(StepPolicy(quorum=Quorum()))
    with pytest.raises(ValidationError, match="frozen"):
        policy.timeout = 1  # pyright: ignore[reportAttributeAccessIssue]
