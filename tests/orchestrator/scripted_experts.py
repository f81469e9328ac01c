"""Experts that say what the step tells them to, token by token; no model."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from experts.card import ExpertCard, GateRules
from experts.engine.events import Pooled
from experts.errors import NoEarlierVersion, UnknownExpert
from experts.gating.gate import Gate
from graphs.errors import GenerationError
from graphs.joiner import INSTRUCTION
from graphs.protocols import GREEDY, Constraint, ExpertProfile, Generated, Prompt, Sampling
from orchestrator.expert_host import ExpertHost
from orchestrator.gate_answer import GateAnswer
from orchestrator.settings import Settings

TWO_STEPS = [{"id": 1, "text": "say 48", "expert": "math"}, {"id": 2, "text": "say #1 patients", "expert": "general"}]
A_STEP_FOR_A_PERSON = [
    {"id": 1, "text": "say 48", "expert": "math"},
    {"id": 2, "text": "Pay #1?", "expert": "person"},
    {"id": 3, "text": "say #1 is #2", "expert": "general"},
]
A_STEP_THAT_WAITS = [{"id": 1, "text": "wait", "expert": "general"}]
A_STEP_THAT_FAILS = [{"id": 1, "text": "fail", "expert": "general"}]
A_STEP_WITH_A_FAULT = [{"id": 1, "text": "crash", "expert": "general"}]


class ScriptedExperts:
    """An ExpertHost. `say X` says X; `wait` says a word, then nothing until `released`; `fail` and `crash` raise.

    `closed` is set when an answer that waits was stopped.
    """

    def __init__(self) -> None:
        self.released = asyncio.Event()
        self.closed = asyncio.Event()
        self.num_asked = 0
        self.prompts: list[Prompt] = []
        self.prefetched: list[str] = []
        self._pushed: dict[str, ExpertProfile] = {}

    def profiles(self) -> Sequence[ExpertProfile]:
        return [
            ExpertProfile("general", "g1", "general", "anything", backbone="b1"),
            ExpertProfile("math", "m1", "math", "numbers", backbone="b1"),
            *self._pushed.values(),
        ]

    async def generate(
        self,
        expert: str,
        prompt: Prompt,
        *,
        max_tokens: int,
        constraint: Constraint | None = None,
        sampling: Sampling = GREEDY,
    ) -> AsyncIterator[Generated]:
        self.num_asked += 1
        self.prompts.append(prompt)
        text = prompt.step or prompt.task
        if text == "fail":
            raise GenerationError(expert, "it was told to fail")
        if text == "crash":
            raise ZeroDivisionError("it was told to crash")
        if text == "wait":
            yield _piece("waiting ")
            try:
                await self.released.wait()
            except (asyncio.CancelledError, GeneratorExit):
                self.closed.set()
                raise
        said = "It is " + ", ".join(known.result for known in prompt.inputs) if text == INSTRUCTION else text
        words = said.removeprefix("say ").split(" ")
        for word in words[:-1]:
            yield _piece(word + " ")
        yield Generated(words[-1], (1,), (-0.1,), "stop", num_prompt_tokens=10, num_output_tokens=len(words))

    async def score(self, expert: str, prompt: Prompt, candidates: Sequence[str]) -> list[float]:
        return [0.0 for _ in candidates]

    async def prefetch(self, expert: str) -> None:
        self.prefetched.append(expert)
        if expert == "math":
            raise UnknownExpert(expert, ("general",))

    async def gate(self, text: str) -> GateAnswer:
        """By rules alone; a token for each character."""
        choice = Gate([card("general"), card("math", ["sum"])], None, "scripted").choose(text, ())
        return GateAnswer.of(choice, Pooled((), len(text), 0, len(text) // 16 * 16))

    async def push(self, directory: Path) -> ExpertProfile:
        said = (directory.name, "p1", "pushed", "an expert of a test")
        self._pushed[directory.name] = ExpertProfile(*said, backbone="b1")
        return self._pushed[directory.name]

    async def pop(self, name: str) -> ExpertProfile:
        if name not in self._pushed:
            raise UnknownExpert(name, tuple(self._pushed))
        return self._pushed.pop(name)

    async def rollback(self, name: str, version: str | None = None) -> ExpertProfile:
        if name not in self._pushed:
            raise NoEarlierVersion(name, ())
        self._pushed[name] = ExpertProfile(name, version or "p0", "pushed", "an expert of a test", backbone="b1")
        return self._pushed[name]


def card(name: str, keywords: Sequence[str] = ()) -> ExpertCard:
    rules = GateRules(keywords=tuple(keywords))
    of = {"domain": name, "description": name, "version": "1", "backbone_hash": "b", "form": "full", "gate": rules}
    return ExpertCard.model_validate({"name": name, "num_shared_layers": 1, "num_layers": 2, **of})


def _piece(text: str) -> Generated:
    return Generated(text, (1,), (-0.1,))


@asynccontextmanager
async def open_scripted_experts(settings: Settings) -> AsyncGenerator[ExpertHost]:
    """An OpenExperts."""
    assert settings.backbone
    yield ScriptedExperts()
