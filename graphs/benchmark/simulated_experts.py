"""Experts that take the time that they are told to, and say one word."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from graphs.events import GraphEvent
from graphs.protocols import GENERAL, GREEDY, Constraint, ExpertProfile, Generated, Prompt, Sampling


@dataclass(frozen=True, slots=True)
class SimulatedExperts:
    """An ExpertClient; `seconds` by the text of a step, none for any other."""

    seconds: Mapping[str, float]

    def profiles(self) -> Sequence[ExpertProfile]:
        """Only `general`."""
        return [ExpertProfile(GENERAL, "1", GENERAL, "takes its time")]

    async def generate(
        self,
        expert: str,
        prompt: Prompt,
        *,
        max_tokens: int,
        constraint: Constraint | None = None,
        sampling: Sampling = GREEDY,
    ) -> AsyncIterator[Generated]:
        """One word, after its time."""
        if seconds := self.seconds.get(prompt.step):
            await asyncio.sleep(seconds)
        yield Generated("done", (1,), (0.0,), "stop", 1, 1)

    async def score(self, expert: str, prompt: Prompt, candidates: Sequence[str]) -> list[float]:
        """All alike."""
        return [0.0 for _ in candidates]


class NoSink:
    """An EventSink that keeps nothing."""

    async def emit(self, event: GraphEvent) -> None:
        """Do nothing."""
