"""How a step is to be answered: how long, how often, by how many, and what becomes of the run if it cannot be."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

ErrorKind = Literal["generation", "tool", "timeout", "step", "rejected"]
"""Why a step has no result: its expert could not answer, its tool could not compute, its time was up, a person has
rejected it, or another."""
OnFailure = Literal["skip", "fail", "default", "general"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Backoff(_Frozen):
    """Attempts after the first one, each after a longer wait."""

    max_attempts: int = Field(default=3, ge=2, le=20)
    """The first one included."""
    base_seconds: float = Field(default=0.5, ge=0)
    factor: float = Field(default=2.0, ge=1)
    max_seconds: float = Field(default=30.0, ge=0)
    jitter: float = Field(default=0.5, ge=0, le=1)
    """The part of a wait that is left to chance, so that what failed together does not come back together."""

    def delay(self, attempt: int, chance: float) -> float:
        """Seconds to wait after an attempt (from 1 on); `chance` is drawn from [0, 1)."""
        # a power of a long series would overflow
        growth = self.factor ** min(attempt - 1, 64)
        return min(self.base_seconds * growth, self.max_seconds) * (1 - self.jitter * chance)


class Retry(Backoff):
    """The attempts of a step, after errors of some kinds."""

    on: tuple[ErrorKind, ...] = Field(default=("generation", "timeout"), min_length=1)


class Quorum(_Frozen):
    """Several answers to one step. The first sample is greedy, the others are drawn.

    `vote`: what most of them say (self-consistency, arXiv 2203.11171); `score`: what was said with most confidence.
    """

    samples: int = Field(default=3, ge=2, le=16)
    experts: tuple[str, ...] = ()
    """Who is asked, in turn; without names the step's own expert."""
    decide: Literal["vote", "score"] = "vote"
    at_least: int = Field(default=1, ge=1)
    """With fewer answers than these the step has failed."""
    temperature: float = Field(default=0.7, gt=0, le=2)

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        if self.at_least > self.samples:
            raise ValueError(f"at_least is {self.at_least}, of {self.samples} samples; lower it, or ask for more")
        return self


class StepPolicy(_Frozen):
    """What a step is worth. Without one it gets a single attempt, and what needs its result is skipped."""

    timeout: float | None = Field(default=None, gt=0)
    """Seconds of one attempt."""
    retry: Retry | None = None
    quorum: Quorum | None = None
    on_failure: OnFailure = "skip"
    """`skip` what needs the result, `fail` the run, take the `default`, or ask `general` instead."""
    default: str | None = None
    """The result that stands in for a failed step's."""

    @model_validator(mode="after")
    def _default_is_used(self) -> Self:
        if (self.default is not None) != (self.on_failure == "default"):
            raise ValueError("on_failure 'default' and a default go together; give both or neither")
        return self
