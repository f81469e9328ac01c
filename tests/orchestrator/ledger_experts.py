"""Scripted experts that note every execution in a file: what was really done, whatever Redis says."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from graphs.joiner import INSTRUCTION
from graphs.protocols import GREEDY, Constraint, Generated, Prompt, Sampling
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


def note(ledger: Path, line: str) -> None:
    """One line, whole even when several processes write and any of them is killed."""
    descriptor = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{line}\n".encode())
    os.close(descriptor)


def executions(ledger: Path) -> Counter[str]:
    """How often each step was done."""
    return Counter(ledger.read_text().splitlines()) if ledger.exists() else Counter()


def open_ledger_experts(ledger: Path, seconds: float) -> OpenExperts:
    """An OpenExperts."""

    @asynccontextmanager
    async def opened(_: Settings) -> AsyncGenerator[ExpertHost]:
        yield LedgerExperts(ledger, seconds)

    return opened
