"""Experts are read beside the engine's thread, so that running sequences do not wait for it."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from experts.engine.expert_loader import LoadedExpert
from experts.engine.sequence import ExpertKey
from experts.registry import Entry


class Loading:
    """One expert at a time, each once however many wait for it."""

    def __init__(
        self, load: Callable[[Path | None], LoadedExpert], keep: Callable[[Entry, LoadedExpert], Awaitable[None]]
    ) -> None:
        self._load, self._keep = load, keep
        self._tasks: dict[ExpertKey, asyncio.Task[None]] = {}
        self._turn = asyncio.Lock()

    async def wait_for(self, entry: Entry) -> None:
        """Return when the expert has been read and kept. Raises CheckpointError if its files do not fit."""
        key = entry.card.key
        if key not in self._tasks:
            self._tasks[key] = asyncio.create_task(self._read(entry))
            self._tasks[key].add_done_callback(partial(self._forget, key))
        await asyncio.shield(self._tasks[key])  # who leaves does not take it from the others

    async def _read(self, entry: Entry) -> None:
        async with self._turn:
            loaded = await asyncio.to_thread(self._load, entry.directory)
        await self._keep(entry, loaded)

    def _forget(self, key: ExpertKey, task: asyncio.Task[None]) -> None:
        del self._tasks[key]
        if not task.cancelled():
            task.exception()  # whoever waits gets it; if nobody does any more, it is no loss
