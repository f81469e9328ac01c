"""Simulated experts as a service wants them: nobody comes, nobody goes."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from experts.errors import UnknownExpert
from graphs.benchmark.simulated_experts import SimulatedExperts
from graphs.protocols import GENERAL, ExpertProfile
from orchestrator.expert_host import ExpertHost, OpenExperts
from orchestrator.gate_answer import GateAnswer
from orchestrator.settings import Settings


@dataclass(frozen=True, slots=True)
class SimulatedHost(SimulatedExperts):
    """An ExpertHost whose experts cannot be changed."""

    async def prefetch(self, expert: str) -> None:
        """They are in memory."""

    async def gate(self, text: str) -> GateAnswer:
        """There is none."""
        raise UnknownExpert("gate", (GENERAL,))

    async def push(self, directory: Path) -> ExpertProfile:
        """Refused."""
        raise UnknownExpert(directory.name, (GENERAL,))

    async def pop(self, name: str) -> ExpertProfile:
        """Refused."""
        raise UnknownExpert(name, (GENERAL,))

    async def rollback(self, name: str, version: str | None = None) -> ExpertProfile:
        """Refused."""
        raise UnknownExpert(name, (GENERAL,))


def open_simulated(seconds: Mapping[str, float]) -> OpenExperts:
    """An OpenExperts: `seconds` by the text of a step."""

    @asynccontextmanager
    async def opened(_: Settings) -> AsyncGenerator[ExpertHost]:
        yield SimulatedHost(seconds)

    return opened
