"""The trace of a run: what the graph tells, between the run's own beginning and end."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

from graphs.events import GraphEvent
from orchestrator.run import RunError, RunStatus, Timings, Usage


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RunStarted(_Event):
    """A worker began. The first event of a trace, and there again whenever a worker takes the run over."""

    type: Literal["run_started"] = "run_started"
    run_id: str
    task: str
    worker: str
    attempt: int = 1
    """The number of the claim, the run's fence."""


class RunInterrupted(_Event):
    """Nothing is left to do before persons have answered; with an answer comes another `run_started`."""

    type: Literal["run_interrupted"] = "run_interrupted"
    run_id: str
    steps: tuple[int, ...]
    """Those that wait."""


class RunFinished(_Event):
    """The run is terminal. The last event of a trace."""

    type: Literal["run_finished"] = "run_finished"
    run_id: str
    status: RunStatus
    error: RunError | None = None
    usage: Usage = Usage()
    timings: Timings = Timings()


class TraceCut(_Event):
    """The trace has reached its length: in this place, text that was being written is left out.

    What came of it is kept: plans, results, answers. While text is left out a newer event replaces this one.
    """

    type: Literal["trace_cut"] = "trace_cut"
    max_entries: int
    """The length from which on it is left out."""
    num_left_out: int
    """Token events that are missing here."""
    num_chars: int
    """Of their text."""


TraceEvent = Annotated[RunStarted | RunInterrupted | RunFinished | TraceCut | GraphEvent, Field(discriminator="type")]
TRACE_EVENT: TypeAdapter[TraceEvent] = TypeAdapter(TraceEvent)


class TraceEntry(BaseModel):
    """An event with its place in the trace: `id` is the id of the stream's entry."""

    model_config = ConfigDict(frozen=True)

    id: str
    at: AwareDatetime
    event: TraceEvent
