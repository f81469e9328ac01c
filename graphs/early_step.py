"""A step that runs before a plan has it: it tells nobody and commits nothing until it is taken over."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from graphs.events import EventSink, GraphEvent, StepResult
from graphs.plan import Step
from graphs.protocols import StepKey
from graphs.step_runner import Commit


class EarlyStep:
    """Stands between a StepRunner and the run, as the EventSink of the one and the step of the other."""

    def __init__(self, step: Step, draft: int, sink: EventSink) -> None:
        self.step, self.draft = step, draft
        self.key: StepKey | None = None
        """Set when all that it needs is there, and it runs."""
        self.success: asyncio.Future[StepResult] = asyncio.get_running_loop().create_future()
        """What steps that need it may begin from."""
        self._sink = sink
        self._task: asyncio.Task[StepResult | None] | None = None
        self._held: list[GraphEvent] = []
        self._in_order = asyncio.Lock()
        self._is_taken = asyncio.Event()
        self._commit: Commit | None = None

    @property
    def asked(self) -> tuple[int, str, str]:
        """What a plan's step must be to be this one: its inputs are in the key."""
        return self.step.id, self.step.text, self.step.expert

    @property
    def is_open(self) -> bool:
        """Whether it has not come to its end."""
        return not (self.success.done() or (self._task is not None and self._task.done()))

    @property
    def spent(self) -> StepResult | None:
        """The result that it had come to before it was cancelled, if it had."""
        if self.success.done():
            return self.success.result()
        task = self._task
        return None if task is None or not task.done() or task.cancelled() or task.exception() else task.result()

    def run(self, work: Coroutine[Any, Any, StepResult | None]) -> None:
        """Begin; the work emits to this and commits by this."""
        self._task = asyncio.create_task(work)

    async def emit(self, event: GraphEvent) -> None:
        """Keep the event, or pass it on if the step has been taken over."""
        async with self._in_order:
            if self._is_taken.is_set():
                await self._sink.emit(event)
            else:
                self._held.append(event)

    async def commit(self, result: StepResult) -> None:
        """Wait until the step is taken over, then commit."""
        self.success.set_result(result)
        await self._is_taken.wait()
        if self._commit:
            await self._commit(result)

    async def take_over(self, commit: Commit | None) -> StepResult:
        """The result, as a StepRunner gives it; what was held back is told first."""
        assert self._task is not None
        self._commit = commit
        try:
            async with self._in_order:
                for event in self._held:
                    await self._sink.emit(event)
                self._is_taken.set()
            result = await self._task
        except BaseException:
            # nobody else knows of it any more
            self.cancel()
            raise
        assert result is not None
        return result

    def cancel(self) -> None:
        """Stop it; `ended` tells when it has."""
        if self._task:
            self._task.cancel()

    async def ended(self) -> BaseException | None:
        """Wait for its end. Returns the fault that it had, if any."""
        if self._task is None:
            return None
        await asyncio.wait([self._task])
        return None if self._task.cancelled() else self._task.exception()
