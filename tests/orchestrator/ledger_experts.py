"""Scripted experts that note every execution in a file: what was really done, whatever Redis says."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from graphs.grammar import CLOSING, TEXT_END, next_step
from graphs.joiner import INSTRUCTION
from graphs.planner import DRAFTS, PLANNER
from graphs.protocols import GREEDY, Constraint, ExpertProfile, Generated, Prompt, Sampling
from orchestrator.expert_host import ExpertHost, OpenExperts
from orchestrator.settings import Settings
from tests.orchestrator.scripted_experts import ScriptedExperts


class LedgerExperts(ScriptedExperts):
    """Each step takes `seconds`, and is one line `task|step` in the ledger when it is done."""

    def __init__(self, ledger: Path, seconds: float) -> None:
        super().__init__()
        self._ledger = ledger
        self._seconds = seconds

    async def generate(
        self,
        expert: str,
        prompt: Prompt,
        *,
        max_tokens: int,
        constraint: Constraint | None = None,
        sampling: Sampling = GREEDY,
    ) -> AsyncIterator[Generated]:
        await asyncio.sleep(self._seconds)  # the work
        if prompt.step != INSTRUCTION:
            note(self._ledger, f"{prompt.task}|{prompt.step}")
        async for piece in super().generate(expert, prompt, max_tokens=max_tokens):
            yield piece


class LedgerPlanner(LedgerExperts):
    """Has a planner too, whose every piece of a plan is one line `task|draft.piece` in the ledger.

    Its first draft ends after two steps, the others have them all.
    """

    def __init__(self, ledger: Path, seconds: float, plan: Sequence[tuple[str, str]]) -> None:
        super().__init__(ledger, seconds)
        self._plan = plan

    def profiles(self) -> Sequence[ExpertProfile]:
        return [*super().profiles(), ExpertProfile(PLANNER, "p1", PLANNER, "plans")]

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
            async for piece in super().generate(expert, prompt, max_tokens=max_tokens):
                yield piece
            return
        await asyncio.sleep(self._seconds)  # the work
        draft, number = DRAFTS.index(sampling) + 1, _num_steps(prompt)
        note(self._ledger, f"{prompt.task}|{draft}.{number + 1}")
        is_end = number == (2 if draft == 1 else len(self._plan))
        beginning = next_step(number + 1) if number else ""
        text = CLOSING if is_end else beginning + self._plan[number][0] + TEXT_END
        yield Generated(text, (1,), (-0.1,), "stop", num_prompt_tokens=10, num_output_tokens=1)

    async def score(self, expert: str, prompt: Prompt, candidates: Sequence[str]) -> list[float]:
        _, wanted = self._plan[_num_steps(prompt) - 1]
        return [0.0 if candidate == f'{wanted}"' else -9.0 for candidate in candidates]


def _num_steps(prompt: Prompt) -> int:
    return "".join(prompt.forced).count('"expert":"')


def note(ledger: Path, line: str) -> None:
    """One line, whole even when several processes write and any of them is killed."""
    descriptor = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{line}\n".encode())
    os.close(descriptor)


def executions(ledger: Path) -> Counter[str]:
    """How often each step was done."""
    return Counter(ledger.read_text().splitlines()) if ledger.exists() else Counter()


def open_ledger_experts(ledger: Path, seconds: float, plan: Sequence[tuple[str, str]] = ()) -> OpenExperts:
    """An OpenExperts, with a planner if there is a plan for it to write."""

    @asynccontextmanager
    async def opened(_: Settings) -> AsyncGenerator[ExpertHost]:
        yield LedgerPlanner(ledger, seconds, plan) if plan else LedgerExperts(ledger, seconds)

    return opened
