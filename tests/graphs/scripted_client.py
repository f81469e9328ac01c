"""An ExpertClient whose experts say what a test has written for them, held to the grammars as a real one is."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

from graphs.errors import GenerationError
from graphs.events import GraphEvent
from graphs.grammar import CLOSING, TEXT_END, json_body, next_step
from graphs.protocols import GREEDY, Constraint, ExpertProfile, Generated, Prompt, Sampling
from tests.graphs.grammar_proof import accepts

TOOLS = {"math": "calculator", "sql": "sql"}


@dataclass
class ScriptedClient:
    """`plan` is what the planner writes; `answers` maps an expert and a step's filled text to what it writes."""

    plan: Sequence[tuple[str, str]] = ()
    answers: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    experts: Sequence[str] = ("code", "general", "law", "math", "planner", "sql")
    max_tokens: int = 64
    is_loose: bool = False
    """Takes no notice of grammars, as a remote server may."""
    prompts: list[tuple[str, Prompt]] = field(default_factory=list[tuple[str, Prompt]])
    num_closed: int = 0

    def profiles(self) -> Sequence[ExpertProfile]:
        return [
            ExpertProfile(name, "v1", name, f"the {name} expert", TOOLS.get(name), self.max_tokens)
            for name in self.experts
        ]

    logprob = -0.1
    """Of every piece that is written."""

    async def generate(
        self,
        expert: str,
        prompt: Prompt,
        *,
        max_tokens: int,
        constraint: Constraint | None = None,
        sampling: Sampling = GREEDY,
    ) -> AsyncIterator[Generated]:
        self.prompts.append((expert, prompt))
        text = self.write_plan(prompt) if expert == "planner" else self._answer(expert, prompt)
        if constraint and not self.is_loose and not accepts(constraint.value, text):
            raise AssertionError(f"{text!r} is outside the grammar of {expert}")
        pieces = re.findall(r"\S+\s*|\s+", text) or [""]
        is_cut = len(pieces) > max_tokens
        pieces = pieces[:max_tokens]
        try:
            for number, piece in enumerate(pieces, start=1):
                reason = None if number < len(pieces) else "length" if is_cut else "stop"
                yield Generated(piece, (len(piece),), (self.logprob,), reason, 10, len(pieces))
        finally:
            self.num_closed += 1

    async def score(self, expert: str, prompt: Prompt, candidates: Sequence[str]) -> list[float]:
        _, wanted = self.plan[self._num_written(prompt) - 1]
        return [-0.1 if candidate == f'{wanted}"' else -3.0 for candidate in candidates]

    def write_plan(self, prompt: Prompt) -> str:
        number = self._num_written(prompt)
        if number == len(self.plan):
            return CLOSING
        beginning = next_step(number + 1) if number else ""
        return beginning + json_body(self.plan[number][0]) + TEXT_END

    def _num_written(self, prompt: Prompt) -> int:
        return "".join(prompt.forced).count('"expert":"')

    def _answer(self, expert: str, prompt: Prompt) -> str:
        try:
            return self.answers[expert][prompt.step or prompt.task]
        except KeyError:
            raise GenerationError(expert, "the engine has stopped") from None


@dataclass
class EventList:
    """A sink that keeps what it is told."""

    events: list[GraphEvent] = field(default_factory=list[GraphEvent])

    async def emit(self, event: GraphEvent) -> None:
        self.events.append(event)

    def of_type(self, name: str) -> list[GraphEvent]:
        return [event for event in self.events if event.type == name]
