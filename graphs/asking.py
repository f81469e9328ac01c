"""From a step for a person to its question, and from the person's answer to the step's result."""

from graphs.events import AnswerWanted, StepResult
from graphs.person import PERSON, PersonAnswer, PersonQuestion
from graphs.plan import Step
from graphs.protocols import StepKey
from graphs.state import Results
from graphs.step_runner import filled_text


def is_asked(step: Step, results: Results) -> bool:
    """Whether a person is to answer this step: what it needs is there."""
    return step.expert == PERSON and all(results[k].status == "success" for k in step.depends_on)


def question_of(step: Step, results: Results, key: StepKey) -> AnswerWanted:
    """The question of one execution of the step, results filled in however long they are."""
    asked = step.question or PersonQuestion()
    return AnswerWanted(
        step=step.id, round=key.round, digest=key.digest, text=filled_text(step, results, is_whole=True), question=asked
    )


def key_of(wanted: AnswerWanted) -> StepKey:
    """Which execution waits for the answer."""
    return StepKey(wanted.step, wanted.digest, wanted.round)


def decided(step: Step, answer: PersonAnswer, by: str) -> StepResult:
    """The result of a step that a person has answered; a rejection is an error, or the default of its policy."""
    text = answer.text.strip()
    if answer.decision != "reject":
        return StepResult(id=step.id, status="success", result=text or "approved", answered_by=by)
    reason = f"rejected by {by}" + (f": {text}" if text else "")
    if step.policy and step.policy.default is not None:
        warning = f"the default, as there is no result: {reason}"
        return StepResult(id=step.id, status="success", result=step.policy.default, warnings=(warning,), answered_by=by)
    return StepResult(id=step.id, status="error", error=reason, error_kind="rejected", answered_by=by)
