"""What the service needs of the experts beyond asking them."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from graphs.protocols import ExpertClient, ExpertProfile
from orchestrator.gate_answer import GateAnswer
from orchestrator.settings import Settings


class ExpertHost(ExpertClient, Protocol):
    """Experts that can be chosen for a text, loaded ahead, pushed, popped and rolled back while runs go on."""

    async def prefetch(self, expert: str) -> None:
        """Have an expert in memory before it is asked. Raises an ExpertError if there is none, or it does not fit."""
        ...

    async def gate(self, text: str) -> GateAnswer:
        """The expert that a text is for, and why. Raises an ExpertError."""
        ...

    async def push(self, directory: Path) -> ExpertProfile:
        """Attach the expert in a directory. Raises an ExpertError if it does not fit."""
        ...

    async def pop(self, name: str) -> ExpertProfile:
        """Detach an expert. Raises an ExpertError if there is none."""
        ...

    async def rollback(self, name: str, version: str | None = None) -> ExpertProfile:
        """Make an earlier version active: the one before the last change, or the one named. Raises an ExpertError."""
        ...


OpenExperts = Callable[[Settings], AbstractAsyncContextManager[ExpertHost]]
"""Opens the experts of the settings; they are closed with the context."""
