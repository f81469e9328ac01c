"""The PlanMemo of a run in Redis: what an earlier worker has written of a plan, for the one that takes the run over.

A field of the run's memo is `draft:round.draft.step:digest`, the step `end` where the draft is written to its end. The
digest is that of the steps that a later round goes on behind.
"""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, TypeAdapter

from graphs.events import Drafted, StepPlanned
from orchestrator.claimed_run import DRAFT_FIELDS, ClaimedRun

_WRITTEN: TypeAdapter[StepPlanned | Drafted] = TypeAdapter(
    Annotated[StepPlanned | Drafted, Field(discriminator="type")]
)


class RedisPlanMemo:
    """A PlanMemo. The events that it gives are committed by the Recorder of the same claim."""

    def __init__(self, claimed: ClaimedRun) -> None:
        self._claimed = claimed

    async def drafts(self, round_number: int, behind: str) -> Sequence[StepPlanned | Drafted]:
        """What was committed, draft by draft and step by step. Raises RedisUnavailableError."""
        await self._claimed.recall_drafts()
        written = [_WRITTEN.validate_json(kept) for kept in self._claimed.drafts.values()]
        return sorted((one for one in written if (one.round, one.behind) == (round_number, behind)), key=_place)


def draft_field(event: StepPlanned | Drafted) -> str:
    """Where the event is kept."""
    step = event.step.id if isinstance(event, StepPlanned) else "end"
    return f"{DRAFT_FIELDS}{event.round}.{event.draft}.{step}:{event.behind}"


def _place(event: StepPlanned | Drafted) -> tuple[int, bool, int]:
    is_end = isinstance(event, Drafted)
    return event.draft, is_end, 0 if is_end else event.step.id
