"""Experts of a plan are brought into memory while it is written and its first steps run."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from experts.errors import ExpertError
from graphs.events import EventSink, GraphEvent, Planned, StepPlanned
from graphs.person import PERSON
from graphs.plan import Step
from orchestrator.expert_host import ExpertHost


@asynccontextmanager
async def prefetching(sink: EventSink, experts: ExpertHost) -> AsyncGenerator[EventSink]:
    """The same sink; the experts of planned steps that come by are loaded, as far as the time allows."""
    prefetcher = _Prefetcher(sink, experts)
    try:
        yield prefetcher
    finally:
        await prefetcher.close()


class _Prefetcher:
    def __init__(self, sink: EventSink, experts: ExpertHost) -> None:
        self._sink, self._experts = sink, experts
        self._loading: dict[str, asyncio.Task[None]] = {}

    async def emit(self, event: GraphEvent) -> None:
        await self._sink.emit(event)
        match event:
            case StepPlanned():
                self._begin([event.step])
            case Planned():
                self._begin(event.plan.steps)
            case _:
                pass

    def _begin(self, steps: Sequence[Step]) -> None:
        for step in steps:
            if step.expert != PERSON and step.expert not in self._loading:
                self._loading[step.expert] = asyncio.create_task(self._load(step.expert))

    async def close(self) -> None:
        for task in self._loading.values():
            task.cancel()
        await asyncio.gather(*self._loading.values(), return_exceptions=True)

    async def _load(self, name: str) -> None:
        try:
            await self._experts.prefetch(name)
        except ExpertError:
            return  # the step that asks this expert will say so
