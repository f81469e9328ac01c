"""Timeouts, retries, quorums and what stands in for a failed step, each on a clock that jumps."""

from collections.abc import Mapping, Sequence

import pytest

from graphs.attempts import decided
from graphs.events import StepResult
from graphs.limits import Limits
from graphs.plan import Plan, Step
from graphs.policies import Quorum, Retry, StepPolicy
from graphs.run import RunOutcome, run_task
from tests.graphs.scripted_client import EventList
from tests.graphs.timed_experts import NEVER, TimedExperts, Try
from tests.graphs.virtual_time import now, run_virtually

FAILS, HANGS, ANSWERS = Try("error", 1), Try(seconds=NEVER), Try(seconds=1)
REASON = "expert 'law': it was told to fail"


def run(policy: StepPolicy, tries: Sequence[Try], **of_others: Sequence[Try]) -> tuple[RunOutcome, TimedExperts, float]:
    """A step of `law` with this policy, and one that needs it; the outcome, who was asked, and when it was over."""
    plan = Plan(
        steps=(
            Step(id=1, text="first", expert="law", policy=policy),
            Step(id=2, text="second", expert="medical", depends_on=(1,)),
        )
    )
    experts = TimedExperts({("law", "first"): tries, **{(name, "first"): them for name, them in of_others.items()}})

    async def all_of_it() -> tuple[RunOutcome, float]:
        return await run_task("A task.", client=experts, tools={}, sink=EventList(), plan=plan), now()

    outcome, ended = run_virtually(all_of_it())
    return outcome, experts, ended


def test_skip_leaves_out_what_needs_the_step() -> None:
    outcome, _, _ = run(StepPolicy(on_failure="skip"), [FAILS])
    assert [result.status for result in outcome.results] == ["error", "skipped"]
    assert outcome.results[1].error == f"it needs step 1, which was not answered ({REASON})"
    assert (outcome.status, outcome.reason) == ("error", "")


def test_fail_ends_the_run() -> None:
    outcome, _, _ = run(StepPolicy(on_failure="fail"), [FAILS])
    assert [result.status for result in outcome.results] == ["error", "skipped"]
    assert outcome.status == "error"
    assert outcome.reason == f"step 1 failed, and the run with it: {REASON}"
    assert outcome.results[1].error == f"the run ended before: {outcome.reason}"


def test_fail_by_time_is_a_timeout_of_the_run() -> None:
    outcome, experts, ended = run(StepPolicy(timeout=3, on_failure="fail"), [HANGS])
    assert (outcome.status, ended, experts.num_open) == ("timeout", 3, 0)
    assert outcome.results[0].error == "no result within 3 s"


def test_default_stands_in_and_is_marked() -> None:
    outcome, _, _ = run(StepPolicy(on_failure="default", default="0"), [FAILS])
    assert [(result.status, result.result) for result in outcome.results] == [("success", "0"), ("success", "yes")]
    assert outcome.results[0].warnings == (f"the default, as there is no result: {REASON}",)


def test_general_answers_instead_and_is_marked() -> None:
    outcome, experts, _ = run(StepPolicy(on_failure="general"), [FAILS])
    assert [result.status for result in outcome.results] == ["success", "success"]
    assert outcome.results[0].warnings == (f"general answered instead of law: {REASON}",)
    assert experts.asked["general", "first"] == 1


def test_general_that_fails_too_says_both_reasons() -> None:
    outcome, _, _ = run(StepPolicy(on_failure="general"), [FAILS], general=[FAILS])
    assert outcome.results[0].error == f"{REASON}; general instead: expert 'general': it was told to fail"


def test_a_default_policy_holds_for_steps_without_one() -> None:
    plan = Plan(steps=(Step(id=1, text="first", expert="law"),))
    experts = TimedExperts({("law", "first"): [FAILS]})
    limits = Limits(policy=StepPolicy(on_failure="default", default="0"))
    outcome = run_virtually(run_task("A task.", client=experts, tools={}, sink=EventList(), plan=plan, limits=limits))
    assert outcome.results[0].result == "0"


def test_retries_wait_longer_each_time_and_count_every_token() -> None:
    retry = Retry(max_attempts=4, base_seconds=2, factor=3, jitter=0)
    outcome, experts, ended = run(StepPolicy(retry=retry), [FAILS, FAILS, ANSWERS])
    assert outcome.results[0].status == "success"
    assert experts.asked["law", "first"] == 3
    assert ended == 1 + 2 + 1 + 6 + 1


def test_retries_end() -> None:
    retry = Retry(max_attempts=3, base_seconds=1, jitter=0)
    outcome, experts, _ = run(StepPolicy(retry=retry), [FAILS])
    assert (outcome.results[0].status, experts.asked["law", "first"]) == ("error", 3)


def test_only_named_kinds_are_retried() -> None:
    retry = Retry(on=("timeout",), base_seconds=1, jitter=0)
    assert run(StepPolicy(retry=retry), [FAILS, ANSWERS])[1].asked["law", "first"] == 1
    outcome, experts, ended = run(StepPolicy(retry=retry, timeout=5), [HANGS, ANSWERS])
    assert (outcome.status, experts.asked["law", "first"], ended) == ("success", 2, 5 + 1 + 1)


def test_a_quorum_takes_what_most_samples_say() -> None:
    tries = [Try(text="no"), Try(text="Yes"), Try("error"), Try(text="yes ")]
    outcome, experts, _ = run(StepPolicy(quorum=Quorum(samples=4)), tries)
    assert outcome.results[0].result in ("Yes", "yes")
    assert outcome.results[0].warnings == ("only 2 of 4 samples agree",)
    assert experts.asked["law", "first"] == 4
    assert (outcome.results[0].num_prompt_tokens, outcome.results[0].num_output_tokens) == (27, 3)


def test_a_quorum_of_experts_asks_each_in_turn_and_all_at_once() -> None:
    quorum = Quorum(samples=4, experts=("law", "medical", "general"))
    outcome, experts, ended = run(StepPolicy(quorum=quorum), [Try(seconds=2)], medical=[Try(seconds=3)])
    assert outcome.results[0].status == "success"
    assert {name: number for (name, text), number in experts.asked.items() if text == "first"} == {
        "law": 2,
        "medical": 1,
        "general": 1,
    }
    assert ended == 3


def test_a_quorum_that_is_not_met_has_failed() -> None:
    quorum = Quorum(samples=3, at_least=2)
    outcome, _, _ = run(StepPolicy(quorum=quorum), [ANSWERS, FAILS, FAILS])
    assert outcome.results[0].error == f"1 of 3 samples answered, 2 are needed: {REASON}"


def said(*answers: tuple[str, float]) -> list[StepResult]:
    return [StepResult(id=1, status="success", result=text, confidence=sure) for text, sure in answers]


@pytest.mark.parametrize(
    ("decide", "answers", "taken"),
    [
        ("vote", [("a", 0.9), ("b", 0.5), ("b", 0.6)], ("b", 0.6)),
        ("vote", [("a", 0.4), ("b", 0.9)], ("b", 0.9)),
        ("vote", [("a", 0.5), ("b", 0.5)], ("a", 0.5)),
        ("score", [("a", 0.9), ("b", 0.5), ("b", 0.6)], ("a", 0.9)),
    ],
)
def test_votes_and_scores(decide: str, answers: Sequence[tuple[str, float]], taken: tuple[str, float]) -> None:
    options: Mapping[str, object] = {"samples": len(answers), "decide": decide}
    result = decided(Quorum.model_validate(options), said(*answers))
    assert (result.result, result.confidence) == taken


def test_a_fault_in_one_sample_is_a_fault_of_the_run() -> None:
    class Broken(TimedExperts):
        def profiles(self):  # pyright: ignore[reportUnknownParameterType, reportMissingParameterType, reportIncompatibleMethodOverride]
            if self.asked:
                raise ZeroDivisionError("a fault")
            return super().profiles()

    plan = Plan(steps=(Step(id=1, text="first", expert="law", policy=StepPolicy(quorum=Quorum())),))
    experts = Broken({})
    experts.asked["law", "first"] = 0
    with pytest.raises(ZeroDivisionError, match="a fault"):
        run_virtually(run_task("A task.", client=experts, tools={}, sink=EventList(), plan=plan))
