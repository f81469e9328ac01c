"""Experts of a plan are brought into memory while its first steps run."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from experts.errors import ExpertError
from graphs.events import EventSink, GraphEvent, Planned
from graphs.person import PERSON
from orchestrator.expert_host import ExpertHost


@asynccontextmanager
async def prefetching(sink: EventSink, experts: ExpertHost) -> AsyncGenerator[EventSink]:
    """The same sink; a plan that comes by has its experts loaded. What is not loaded at the end is left."""
    prefetcher = _Prefetcher(sink, experts)
    try:
        yield prefetcher
    finally:
        await prefetcher.close()


class _Prefetcher:
    def __init__(self, sink: EventSink, experts: ExpertHost) -> None:
        self._sink, self._experts = sink, experts
        self._loading: list[asyncio.Task[None]] = []

    async def emit(self, event: GraphEvent) -> None:
        await self._sink.emit(event)
        if isinstance(event, Planned):
            names = dict.fromkeys(step.expert for step in event.plan.steps if step.expert != PERSON)
            self._loading += [asyncio.create_task(self._load(name)) for name in names]

    async def close(self) -> None:
        for task in self._loading:
            task.cancel()
        await asyncio.gather(*self._loading, return_exceptions=True)

    async def _load(self, name: str) -> None:
        try:
            await self._experts.prefetch(name)
        except ExpertError:
            return  # the step that asks this expert will say so
