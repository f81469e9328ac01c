"""Where a trace that has reached its length leaves out text: one event stands for it, and counts what is missing."""

import time
from collections.abc import Sequence

from graphs.events import AnswerToken, PlanToken, StepToken
from orchestrator.claimed_run import EVENTS, ClaimedRun, Command
from orchestrator.events import TraceCut

_TELL_SECONDS = 1.0

Token = PlanToken | StepToken | AnswerToken


class TraceGap:
    """One gap. As nothing is written behind its event while it grows, a newer event takes that one's place."""

    def __init__(self, claimed: ClaimedRun) -> None:
        self._claimed = claimed
        self._num_events = self._num_chars = 0
        self._num_told = 0
        self._told_at = 0.0
        self._entry_id: str | None = None

    async def add(self, events: Sequence[Token]) -> None:
        """Leave these out. Followers hear of a gap at once, and while it grows once a second."""
        self._num_events += len(events)
        self._num_chars += sum(len(event.text) for event in events)
        if time.monotonic() - self._told_at >= _TELL_SECONDS:
            await self._write()

    async def close(self) -> None:
        """Something is to be kept behind the gap: its event gets the last count, and the next gap one of its own."""
        await self._write()
        self._num_events = self._num_chars = self._num_told = 0
        self._told_at, self._entry_id = 0.0, None

    async def _write(self) -> None:
        if self._num_events == self._num_told:
            return
        cut = TraceCut(max_entries=self._claimed.max_entries, num_left_out=self._num_events, num_chars=self._num_chars)
        earlier: list[Command] = [("XDEL", EVENTS, self._entry_id)] if self._entry_id else []
        self._entry_id = await self._claimed.append(cut, *earlier)
        self._num_told, self._told_at = self._num_events, time.monotonic()
