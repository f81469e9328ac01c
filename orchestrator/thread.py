"""A Thread is a conversation: its runs are executed one after another, and each sees the turns before it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from graphs.turn import Turn
from orchestrator.run import Run, RunStatus

THREAD_ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
MAX_METADATA_CHARS = 16_384
"""Of one value as JSON."""
NUM_PINNED_TURNS = 20
"""The newest turns that a run sees."""
_MAX_PINNED_CHARS = 4_000
_MAX_RESULT_CHARS = 60
_ANSWERED = (RunStatus.SUCCESS, RunStatus.BUDGET_EXHAUSTED, RunStatus.TIMEOUT)


class ThreadStatus(StrEnum):
    """Whether a run of the thread is open."""

    IDLE = "idle"
    BUSY = "busy"


class Thread(BaseModel):
    """The record of a thread."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    tenant: str
    owner: str
    """Who made it: a key's name, `local` or `anonymous`."""
    created: AwareDatetime
    updated: AwareDatetime
    """Its last use."""
    metadata: Mapping[str, Any] = Field(default_factory=dict[str, Any])
    status: ThreadStatus = ThreadStatus.IDLE
    num_turns: int = 0
    title: str = ""
    """The task of its first turn."""


def turn_of(run: Run) -> Turn | None:
    """What an ended run adds to its thread; None if it has no answer to go on from."""
    if run.status not in _ANSWERED or run.answer is None:
        return None
    return Turn(run_id=run.id, task=run.task, answer=run.answer, result=_result_of(run), finished=run.finished)


def pinned(turn: Turn) -> Turn:
    """A turn as the record of another run keeps it: what a prompt has no room for is left out."""
    texts = {"task": turn.task[:_MAX_PINNED_CHARS], "answer": turn.answer[:_MAX_PINNED_CHARS]}
    return turn.model_copy(update=texts)


def _result_of(run: Run) -> str:
    sinks = run.plan.sinks if run.plan else ()
    results = [run.steps[step.id].result for step in sinks if step.id in run.steps]
    is_short = len(results) == 1 and len(results[0]) <= _MAX_RESULT_CHARS and "\n" not in results[0]
    return results[0] if is_short else ""
