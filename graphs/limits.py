"""What a run may use."""

from pydantic import BaseModel, ConfigDict, Field

from graphs.budget import Budget
from graphs.plan import MAX_GIVEN_STEPS, MAX_STEPS, MAX_TEXT_CHARS
from graphs.policies import StepPolicy

MAX_ROUNDS = 5


class Limits(BaseModel):
    """What a run may use."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_task_chars: int = Field(default=MAX_TEXT_CHARS, ge=1, le=MAX_TEXT_CHARS)
    max_steps: int = Field(default=MAX_STEPS, ge=1, le=MAX_GIVEN_STEPS)
    """The planner writes MAX_STEPS at most."""
    max_rounds: int = Field(default=1, ge=1, le=MAX_ROUNDS)
    """Of planning. Another one is planned if no final step of the last one has a result."""
    max_plan_tokens: int = Field(default=512, ge=1)
    max_answer_tokens: int = Field(default=128, ge=1)
    speculate: bool = False
    """Steps without effects begin while the plan is still being written."""
    budget: Budget = Budget()
    policy: StepPolicy = StepPolicy()
    """Of the steps that bring none."""

    @property
    def max_planned_steps(self) -> int:
        """Of a plan that the planner writes."""
        return min(self.max_steps, MAX_STEPS)
