"""A Run is one execution of one task."""

import secrets
import time
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from graphs.budget import NOTHING, Budget, Spent
from graphs.events import StepResult
from graphs.plan import Plan
from graphs.turn import Turn
from graphs.workflows.definition import Workflow
from orchestrator.question import Question
from orchestrator.webhook import Webhook


class RunStatus(StrEnum):
    """Where a run stands. Terminal is final."""

    PENDING = "pending"
    """Accepted, waiting for its turn."""
    RUNNING = "running"
    INTERRUPTED = "interrupted"
    """Waits for a person; not terminal."""
    SUCCESS = "success"
    ERROR = "error"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"
    BUDGET_EXHAUSTED = "budget_exhausted"

    @property
    def is_terminal(self) -> bool:
        return self not in (RunStatus.PENDING, RunStatus.RUNNING, RunStatus.INTERRUPTED)


class Priority(StrEnum):
    """Which runs are taken from the queue first."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


class Mode(StrEnum):
    """How a task becomes a plan."""

    AUTO = "auto"
    """One step for the gate's expert if that surely suffices, else the planner's."""
    PLAN = "plan"
    """The planner's."""
    DIRECT = "direct"
    """One step for the gate's expert, sure or not."""


class IfBusy(StrEnum):
    """What becomes of a run whose thread has another open one."""

    ENQUEUE = "enqueue"
    """It waits, and sees that one's turn; not if that one is interrupted: a person may take long."""
    REJECT = "reject"


class _Record(BaseModel):
    # what cannot be read may be a secret
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class RunError(_Record):
    """Why a run did not succeed, and what to do about it. The same three fields as the body of an HTTP error."""

    type: str
    message: str
    remedy: str


class Usage(_Record):
    """Tokens of a run, planner and joiner included."""

    num_prompt_tokens: int = 0
    num_output_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            num_prompt_tokens=self.num_prompt_tokens + other.num_prompt_tokens,
            num_output_tokens=self.num_output_tokens + other.num_output_tokens,
        )


class Timings(_Record):
    """Seconds."""

    plan: float = 0.0
    steps: Mapping[int, float] = Field(default_factory=dict[int, float])
    answer: float = 0.0
    total: float = 0.0


class Concurrency(_Record):
    """At most `limit` runs of a key are executed at once; the others wait."""

    key: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    limit: int = Field(default=1, ge=1)


class Scheduling(_Record):
    """When a run is executed, and whether a request is a repetition."""

    priority: Priority = Priority.NORMAL
    delay_seconds: float = Field(default=0.0, ge=0, le=366 * 24 * 3600)
    concurrency: Concurrency | None = None
    idempotency_key: str | None = Field(default=None, min_length=1, max_length=255)
    """A second request with the same key gets the run of the first one."""
    if_busy: IfBusy = IfBusy.ENQUEUE
    """For a run of a thread."""


AT_ONCE = Scheduling()


class Run(_Record):
    """The record of a run as Redis keeps it."""

    id: str
    tenant: str
    task: str
    status: RunStatus = RunStatus.PENDING
    worker: str | None = None
    """The process that executes it."""
    fence: int = 0
    """How many times a worker has claimed it. Only the last one's writes are taken."""
    attempts: int = 0
    """Claims since a step was last finished, those that were handed back left out."""
    max_attempts: int = 5
    priority: Priority = Priority.NORMAL
    concurrency: Concurrency | None = None
    thread_id: str | None = None
    """The conversation that it belongs to."""
    turns: tuple[Turn, ...] | None = None
    """What was said before in its thread, as it was when the run was first claimed; None before."""
    mode: Mode = Mode.AUTO
    resumed_from: str | None = None
    """The run whose finished steps it was given."""
    webhook: Webhook | None = None
    """Who is told of it, beside the service's own webhook."""
    is_plan_given: bool = False
    """The caller brought the plan; no planner was asked."""
    created: AwareDatetime
    started: AwareDatetime | None = None
    finished: AwareDatetime | None = None
    limits: Budget = Budget()
    """What it may spend."""
    spent: Spent = NOTHING
    """What it had spent when it was interrupted last."""
    workflow: Workflow | None = None
    """What it runs instead of a plan, as it was when the run was asked for."""
    inputs: dict[str, JsonValue] = Field(default_factory=dict[str, JsonValue])
    """Of the workflow."""
    plan: Plan | None = None
    steps: Mapping[int, StepResult] = Field(default_factory=dict[int, StepResult])
    questions: Mapping[int, Question] = Field(default_factory=dict[int, Question])
    """What persons were asked, by step."""
    answer: str | None = None
    error: RunError | None = None
    usage: Usage = Usage()
    timings: Timings = Timings()

    @property
    def open_questions(self) -> Mapping[int, Question]:
        """Those that wait for an answer."""
        is_over = self.status.is_terminal
        return {step: one for step, one in self.questions.items() if not (one.given or is_over)}


def new_run_id(now: datetime | None = None) -> str:
    """22 hexadecimal digits that sort by time: 48 bits of milliseconds, 40 bits of chance."""
    seconds = now.timestamp() if now else time.time()
    return f"{int(seconds * 1000):012x}{secrets.token_hex(5)}"
