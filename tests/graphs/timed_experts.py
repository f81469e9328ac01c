"""Experts that take the time that a test gives them, on the clock of the loop, and succeed, fail or hang as told."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from graphs.errors import GenerationError
from graphs.events import GraphEvent, StepFinished
from graphs.joiner import INSTRUCTION
from graphs.protocols import GREEDY, Constraint, ExpertProfile, Generated, Prompt, Sampling
from tests.graphs.scripted_client import EventList
from tests.graphs.virtual_time import now

NUM_PROMPT_TOKENS = 9
NEVER = 1e6


@dataclass(frozen=True)
class Try:
    """One attempt: how it ends, and after how long."""

    end: Literal["answer", "error"] = "answer"
    seconds: float = 0.0
    text: str = "yes"


@dataclass
class TimedExperts:
    """An ExpertClient. `tries` has, by expert and text, what its attempts do; the last one goes for all later ones."""

    tries: Mapping[tuple[str, str], Sequence[Try]]
    experts: Sequence[str] = ("general", "law", "medical")
    asked: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    num_open: int = 0

    def profiles(self) -> Sequence[ExpertProfile]:
        return [ExpertProfile(name, "v1", name, name) for name in self.experts]

    async def generate(
        self,
        expert: str,
        prompt: Prompt,
        *,
        max_tokens: int,
        constraint: Constraint | None = None,
        sampling: Sampling = GREEDY,
    ) -> AsyncIterator[Generated]:
        if prompt.step == INSTRUCTION:
            yield Generated("Nothing.", (1,), (0.0,), "stop", NUM_PROMPT_TOKENS, 1)
            return
        asked = (expert, prompt.step)
        tries = self.tries.get(asked, (Try(),))
        one = tries[min(self.asked[asked], len(tries) - 1)]
        self.asked[asked] += 1
        self.num_open += 1
        try:
            await asyncio.sleep(one.seconds)
            if one.end == "error":
                raise GenerationError(expert, "it was told to fail")
            yield Generated(one.text, (1,), (0.0,), "stop", NUM_PROMPT_TOKENS, 1)
        finally:
            self.num_open -= 1

    async def score(self, expert: str, prompt: Prompt, candidates: Sequence[str]) -> list[float]:
        return [0.0 for _ in candidates]


@dataclass
class TimedEvents(EventList):
    """A sink that knows when each step ended."""

    ended: dict[int, float] = field(default_factory=dict[int, float])

    async def emit(self, event: GraphEvent) -> None:
        await super().emit(event)
        if isinstance(event, StepFinished):
            self.ended[event.result.id] = now()
