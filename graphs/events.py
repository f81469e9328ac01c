"""What happens in a run, as it happens. Whoever listens (the trace, a terminal) gets these in order."""

from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from graphs.person import PersonQuestion
from graphs.plan import Plan, Step
from graphs.policies import ErrorKind


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PlanToken(_Event):
    """Text of the plan while it is being written."""

    type: Literal["plan_token"] = "plan_token"
    text: str
    draft: int = 1
    """A plan that has faults is written again, as the next draft."""


class _OfDraft(_Event):
    draft: int
    round: int = 1
    """Of planning."""
    behind: str = ""
    """In a later round: a digest of the finished steps that its drafts go on behind."""
    warnings: tuple[str, ...] = ()
    """So far, and so are the tokens."""
    num_prompt_tokens: int = 0
    num_output_tokens: int = 0


class StepPlanned(_OfDraft):
    """A step of a draft was written to its end, its expert chosen. It is the run's once a plan (`planned`) has it.

    Its id is the draft's own: what repeats an earlier step is left out of the plan.
    """

    type: Literal["step_planned"] = "step_planned"
    step: Step
    is_last: bool = False
    """It stands for the whole task, and nothing is written behind it."""


class Drafted(_OfDraft):
    """A draft was written to its end. One with warnings is written again, as long as another may be made."""

    type: Literal["drafted"] = "drafted"


class SpeculationStarted(_Event):
    """A step of a draft was begun before there was a plan. What it does is told when a plan has it, or not at all."""

    type: Literal["speculation_started"] = "speculation_started"
    step: int
    draft: int
    expert: str


class SpeculationDropped(_Event):
    """What was begun early is in no plan; nothing of it is used."""

    type: Literal["speculation_dropped"] = "speculation_dropped"
    step: int
    draft: int
    num_prompt_tokens: int = 0
    """It was finished and had cost this."""
    num_output_tokens: int = 0


class Planned(_Event):
    """The validated plan."""

    type: Literal["planned"] = "planned"
    plan: Plan
    num_prompt_tokens: int = 0
    num_output_tokens: int = 0
    seconds: float = 0.0
    source: Literal["planner", "given", "gate"] = "planner"
    """`gate`: one step for the expert that the gate is sure of."""
    num_drafts: int = 1
    """Plans that were written; the one with the fewest warnings was taken."""
    warnings: tuple[str, ...] = ()


class StepStarted(_Event):
    """A step's expert was asked."""

    type: Literal["step_started"] = "step_started"
    step: int
    expert: str
    version: str
    text: str
    """The step's text with short results filled in."""


class StepToken(_Event):
    """Text of a step while it is being written."""

    type: Literal["step_token"] = "step_token"
    step: int
    text: str


class ToolCalled(_Event):
    """A tool computed what the expert wrote."""

    type: Literal["tool_called"] = "tool_called"
    step: int
    tool: str
    call: str
    result: str
    data: Any = None


class StepResult(BaseModel):
    """What a step found, or why it did not."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: int
    status: Literal["success", "error", "skipped"]
    result: str = ""
    data: JsonValue = None
    """What else a workflow's step found: the rows of a query, the items of a loop."""
    token_ids: tuple[int, ...] | None = None
    call: str | None = None
    """What was handed to the tool, if there is one."""
    tool: str | None = None
    confidence: float = 1.0
    """exp of the mean log-probability of what the expert wrote."""
    warnings: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    """Where in the user's files it stands."""
    error: str | None = None
    error_kind: ErrorKind | None = None
    num_prompt_tokens: int = 0
    num_output_tokens: int = 0
    seconds: float = 0.0
    answered_by: str | None = None
    """The person who answered, as the API knows them."""
    is_cached: bool = False
    """It was found before, mostly by another run: nothing was written, called or paid for it here."""


class AnswerWanted(_Event):
    """A step waits for a person."""

    type: Literal["answer_wanted"] = "answer_wanted"
    step: int
    round: int = 1
    digest: str
    """Of what the step was given: with step and round, its execution."""
    text: str
    """The step's text with short results filled in."""
    question: PersonQuestion = PersonQuestion()


class StepFinished(_Event):
    """A step ended."""

    type: Literal["step_finished"] = "step_finished"
    result: StepResult


class PartFinished(_Event):
    """An item of a loop, or a step of a sub-workflow, ended; its step goes on."""

    type: Literal["part_finished"] = "part_finished"
    step: int
    part: str
    """Such as `[3]`, `draft` or `[3].draft`."""
    result: StepResult


class AnswerToken(_Event):
    """Text of the answer while it is being written."""

    type: Literal["answer_token"] = "answer_token"
    text: str


class Answered(_Event):
    """The final answer.

    `source`: the joiner wrote it, it was assembled, it is the only step's result or a workflow's output.
    """

    type: Literal["answered"] = "answered"
    answer: str
    source: Literal["joiner", "assembled", "step", "output"]
    reason: str = ""
    """Why it was assembled."""
    failed: tuple[int, ...] = ()
    """Steps without a result."""
    skipped: tuple[int, ...] = ()
    """Steps that were not run, as they need those, or as the run had ended."""
    num_prompt_tokens: int = 0
    num_output_tokens: int = 0
    seconds: float = 0.0


GraphEvent = Annotated[
    PlanToken
    | StepPlanned
    | Drafted
    | SpeculationStarted
    | SpeculationDropped
    | Planned
    | StepStarted
    | StepToken
    | ToolCalled
    | AnswerWanted
    | StepFinished
    | PartFinished
    | AnswerToken
    | Answered,
    Field(discriminator="type"),
]


class EventSink(Protocol):
    """Who listens. Awaited: an event that could not be kept stops the run."""

    async def emit(self, event: GraphEvent) -> None: ...
