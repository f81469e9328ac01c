"""What goes wrong when a person answers a run.

ServiceError                   orchestrator/errors.py
├── NotAskedError              the step waits for no answer
├── AlreadyAnsweredError       somebody was faster
└── AnswerRefusedError         the answer does not fit the question
"""

from orchestrator.errors import ServiceError
from orchestrator.question import GivenAnswer


class NotAskedError(ServiceError):
    """The step waits for no answer: it is not a person's, or not yet reached."""

    status = 409
    type = "not_asked"

    def __init__(self, run_id: str, step: int) -> None:
        super().__init__(
            f"step {step} of run {run_id!r} waits for no answer", f"see what is asked: ccoe runs show {run_id}"
        )
        self.run_id = run_id
        self.step = step


class AlreadyAnsweredError(ServiceError):
    """Somebody was faster; what they said holds."""

    status = 409
    type = "already_answered"

    def __init__(self, run_id: str, step: int, given: GivenAnswer) -> None:
        said = f"{given.answer.decision} {given.answer.text}".rstrip()
        super().__init__(
            f"step {step} of run {run_id!r} was answered by {given.by} at {given.at.isoformat(timespec='seconds')}: "
            f"{said}",
            "an answer is final; when the run has ended, fork it from this step",
        )
        self.given = given


class AnswerRefusedError(ServiceError):
    """The answer does not fit the question."""

    status = 422
    type = "answer_refused"
