"""What a person is asked in a run, and how a person may answer."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

PERSON = "person"
"""The expert of steps that a person answers: a reserved name, never one of a model."""
MAX_ANSWER_CHARS = 20_000


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PersonQuestion(_Frozen):
    """How a step's text is put to a person. Without one the person approves, rejects, or answers in own words."""

    choices: tuple[str, ...] = Field(default=(), max_length=100)
    """One of these is the answer; the person may still reject."""
    assignee: str = ""
    """Who should answer. Shown, not enforced: whoever may use the run's API may answer."""
    note: str = ""
    """Shown with the question."""

    @model_validator(mode="after")
    def _can_be_chosen(self) -> Self:
        if not all(choice.strip() for choice in self.choices) or len(set(self.choices)) < len(self.choices):
            raise ValueError("a choice is empty or there twice; write different ones")
        return self

    def fault(self, answer: "PersonAnswer") -> str:
        """Why the answer does not fit, or nothing."""
        if not self.choices or answer.decision == "reject" or answer.text in self.choices:
            return ""
        return f"{answer.text or answer.decision!r} is no choice; there are: {', '.join(self.choices)}"


class PersonAnswer(_Frozen):
    """What a person says."""

    decision: Literal["approve", "reject", "text"]
    text: str = Field(default="", max_length=MAX_ANSWER_CHARS)
    """The step's result; of a rejection the reason. An approval may go without."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.decision == "text" and not self.text.strip():
            raise ValueError("an answer in words has no words; write some, approve or reject")
        return self
