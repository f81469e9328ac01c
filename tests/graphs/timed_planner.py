"""A planner that takes its time for each step that it writes, among experts that do."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from graphs.events import Drafted, GraphEvent, SpeculationStarted, StepPlanned
from graphs.grammar import CLOSING, TEXT_END, json_body, next_step
from graphs.planner import DRAFTS, PLANNER
from graphs.protocols import GREEDY, Constraint, ExpertProfile, Generated, Prompt, Sampling
from tests.graphs.timed_experts import NUM_PROMPT_TOKENS, TimedEvents, TimedExperts
from tests.graphs.virtual_time import now

Written = Sequence[tuple[str, str]]


@dataclass
class TimedPlanner(TimedExperts):
    """Writes the n-th of `drafts` as its n-th draft, the last one for all later ones: text and expert of each step."""

    drafts: Sequence[Written] = ()
    seconds: float = 1.0
    """For each step, and for the end of the plan."""
    tools: Mapping[str, str] = field(default_factory=dict[str, str])
    """By expert."""
    decoded: list[tuple[int, tuple[str, ...]]] = field(default_factory=list[tuple[int, tuple[str, ...]]])
    """The draft, and what was forced, of each piece that was written."""

    def profiles(self) -> Sequence[ExpertProfile]:
        known = [replace(profile, tool=self.tools.get(profile.name)) for profile in super().profiles()]
        return [*known, ExpertProfile(PLANNER, "v1", PLANNER, PLANNER)]

    async def generate(
        self,
        expert: str,
        prompt: Prompt,
        *,
        max_tokens: int,
        constraint: Constraint | None = None,
        sampling: Sampling = GREEDY,
    ) -> AsyncIterator[Generated]:
        if expert != PLANNER:
            async for piece in super().generate(expert, prompt, max_tokens=max_tokens, sampling=sampling):
                yield piece
            return
        draft = DRAFTS.index(sampling) + 1
        self._draft = self.drafts[min(draft, len(self.drafts)) - 1]
        self.decoded.append((draft, prompt.forced))
        await asyncio.sleep(self.seconds)
        number = "".join(prompt.forced).count('"expert":"')
        beginning = next_step(number + 1) if number else ""
        is_end = number == len(self._draft)
        text = CLOSING if is_end else beginning + json_body(self._draft[number][0]) + TEXT_END
        yield Generated(text, (1,), (0.0,), "stop", NUM_PROMPT_TOKENS, 1)

    async def score(self, expert: str, prompt: Prompt, candidates: Sequence[str]) -> list[float]:
        _, wanted = self._draft["".join(prompt.forced).count('"expert":"') - 1]
        return [0.0 if candidate == f'{wanted}"' else -9.0 for candidate in candidates]


@dataclass
class PlanEvents(TimedEvents):
    """A sink that knows when steps were begun early, and the PlanMemo of what it was told. It may fail."""

    begun: dict[tuple[int, int], float] = field(default_factory=dict[tuple[int, int], float])
    """By draft and step."""
    fails_at: int | None = None
    """The event that it does not take."""

    async def emit(self, event: GraphEvent) -> None:
        if len(self.events) == self.fails_at:
            raise ConnectionError("gone")
        await super().emit(event)
        if isinstance(event, SpeculationStarted):
            self.begun[event.draft, event.step] = now()

    @property
    def committed(self) -> list[StepPlanned | Drafted]:
        return [event for event in self.events if isinstance(event, StepPlanned | Drafted)]

    async def drafts(self, round_number: int, behind: str) -> Sequence[StepPlanned | Drafted]:
        return [event for event in self.committed if (event.round, event.behind) == (round_number, behind)]
