"""Takes runs from the queue, and executes several at once."""

import asyncio
import logging
import time

from orchestrator.errors import RedisUnavailableError
from orchestrator.execution import Execution, OnEnd, Perform
from orchestrator.heartbeat import Heartbeat
from orchestrator.run_queue import Lease, RunQueue
from orchestrator.run_store import RunStore

SWEEP_SECONDS = 30.0
MAX_TAKEN = 8
"""Runs at a time: each holds up the others while it begins, and other workers are to get their share."""
_CLOSE_SECONDS = 20.0
_PAUSE_SECONDS = 1.0
_LOG = logging.getLogger(__name__)


class Worker:
    """Executes at most `max_concurrent_runs` of the queue's runs at once; what waits stays there for others too."""

    def __init__(
        self,
        runs: RunStore,
        queue: RunQueue,
        heartbeat: Heartbeat,
        perform: Perform,
        max_concurrent_runs: int,
        on_end: OnEnd | None = None,
    ) -> None:
        self._runs = runs
        self._queue = queue
        self._heartbeat = heartbeat
        self._perform = perform
        self._on_end = on_end
        self._max_concurrent_runs = max_concurrent_runs
        self._executions: dict[asyncio.Task[None], Execution] = {}
        self._next_sweep = 0.0
        self.is_closed = False

    async def work(self) -> None:
        """Take runs until `close`."""
        while not self.is_closed:
            try:
                await self._sweep()
                await self._take()
            except RedisUnavailableError as error:
                _LOG.warning("no runs are taken from the queue: %s", error)
                await asyncio.sleep(_PAUSE_SECONDS)

    def begin(self, lease: Lease) -> None:
        """Execute a leased run in the background."""
        self._heartbeat.hold(lease)
        execution = Execution(lease, self._runs, self._queue, self._perform, self._on_end)
        self._executions[asyncio.create_task(self._execute(execution))] = execution

    def look(self, run_id: str) -> None:
        """The run was cancelled; if it is here, stop it now."""
        for execution in self._executions.values():
            if execution.lease.run_id == run_id:
                execution.look()

    async def close(self) -> None:
        """Hand back all runs; none is begun any more."""
        self.is_closed = True
        for execution in self._executions.values():
            execution.hand_back()
        if self._executions:
            await asyncio.wait(self._executions, timeout=_CLOSE_SECONDS)

    async def _sweep(self) -> None:
        """Wake runs that were answered or cancelled by somebody who died before doing so."""
        if (now := time.monotonic()) < self._next_sweep:
            return
        for run_id in await self._queue.aside():
            if not await self._runs.is_interrupted(run_id):
                await self._queue.wake(run_id)
        self._next_sweep = now + SWEEP_SECONDS

    async def _take(self) -> None:
        free = self._max_concurrent_runs - len(self._executions)
        if free <= 0:
            await asyncio.wait(self._executions, return_when=asyncio.FIRST_COMPLETED)
            return
        leases = await self._queue.take(min(free, MAX_TAKEN), self._heartbeat.held)
        for lease in leases:
            if self.is_closed:
                await self._queue.hand_back(lease)
            else:
                self.begin(lease)
        if not leases:
            await self._queue.wait()

    async def _execute(self, execution: Execution) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            await execution.run()
        except RedisUnavailableError as error:
            _LOG.warning("run %s is left until Redis is back: %s", execution.lease.run_id, error)
        finally:
            self._heartbeat.release(execution.lease)
            del self._executions[task]
