"""A Turn is what was asked earlier in a thread, and what was answered."""

from collections.abc import Iterable

from pydantic import AwareDatetime, BaseModel, ConfigDict


class Turn(BaseModel):
    """One task with its answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str = ""
    task: str
    answer: str
    result: str = ""
    """What the answer comes down to, a number or a few words; empty if it has several parts or is long."""
    finished: AwareDatetime | None = None


def said(turns: Iterable[Turn]) -> tuple[str, ...]:
    """All texts of the turns, in their order."""
    return tuple(text for turn in turns for text in (turn.task, turn.answer))
