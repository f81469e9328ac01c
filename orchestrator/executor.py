"""Executes runs as asyncio tasks, and sees to it that each of them ends in a true state."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from graphs.errors import RunStopped
from graphs.events import EventSink
from graphs.workflow import RunOutcome
from orchestrator.errors import RedisUnavailableError, RunNotFoundError
from orchestrator.events import RunFinished
from orchestrator.failure import KNOWN_ERRORS, failure_of
from orchestrator.recorder import Recorder
from orchestrator.run import Run, RunError, RunStatus
from orchestrator.run_store import RunStore
from orchestrator.trace_store import TraceStore

Perform = Callable[[Run, EventSink], Awaitable[RunOutcome]]
"""What a run does; events go to the sink."""

_LOG = logging.getLogger(__name__)
_CLOSE_SECONDS = 20.0
INSIST_SECONDS = 1.0
"""A cancelled task is cancelled again after this time: before Python 3.12 asyncio.wait_for may swallow the first."""


@dataclass(slots=True)
class _Job:
    """A run in this process."""

    recorder: Recorder
    work: asyncio.Task[RunOutcome | None]
    supervision: asyncio.Task[None] | None = None
    cancelled_because: str | None = None


class Executor:
    """Runs at most `max_concurrent_runs` at once; the others wait as pending."""

    def __init__(self, runs: RunStore, traces: TraceStore, perform: Perform, max_concurrent_runs: int) -> None:
        self._runs = runs
        self._traces = traces
        self._perform = perform
        self._slots = asyncio.Semaphore(max_concurrent_runs)
        self._jobs: dict[str, _Job] = {}
        self._unsaved: dict[str, RunFinished] = {}
        self.is_closed = False

    def start(self, run: Run) -> None:
        """Execute a created run in the background."""
        recorder = Recorder(run, self._runs, self._traces)
        job = _Job(recorder, asyncio.create_task(self._work(run, recorder)))
        self._jobs[run.id] = job
        job.supervision = asyncio.create_task(self._supervise(run.id, job))

    def cancel(self, run_id: str, reason: str) -> bool:
        """Stop a run of this process; it is marked as cancelled with the reason. False: it is not here."""
        job = self._jobs.get(run_id)
        if job is None:
            return False
        job.cancelled_because = reason
        job.work.cancel()
        return True

    async def wait(self, run_id: str) -> None:
        """Return when the run has left this process."""
        job = self._jobs.get(run_id)
        if job is not None and job.supervision is not None:
            await asyncio.wait({job.supervision})

    async def reconcile(self) -> None:
        """Save endings that Redis missed; stop runs that somebody else has ended. Raises RedisUnavailableError."""
        for run_id, final in list(self._unsaved.items()):
            await self._save(final)
            del self._unsaved[run_id]
        for run_id, job in list(self._jobs.items()):
            if await self._is_over(run_id):
                job.work.cancel()

    async def close(self, reason: str) -> None:
        """Stop all runs and mark them as cancelled; no run is started any more."""
        self.is_closed = True
        supervisions = [job.supervision for job in self._jobs.values() if job.supervision is not None]
        for run_id in list(self._jobs):
            self.cancel(run_id, reason)
        if supervisions:
            await asyncio.wait(supervisions, timeout=_CLOSE_SECONDS)

    async def _work(self, run: Run, recorder: Recorder) -> RunOutcome | None:
        async with self._slots:
            if await self._runs.start(run.id, datetime.now(UTC)) is not RunStatus.RUNNING:
                return None
            await recorder.begin()
            try:
                return await self._perform(run, recorder)
            finally:
                await recorder.close()

    async def _supervise(self, run_id: str, job: _Job) -> None:
        while not job.work.done():
            await asyncio.wait({job.work}, timeout=INSIST_SECONDS)
            if job.cancelled_because is not None:
                job.work.cancel()
        final = _ending(run_id, job)
        try:
            await self._save(final)
        except RedisUnavailableError as error:
            _LOG.error("the end of run %s (%s) is not saved yet: %s", run_id, final.status, error)
            self._unsaved[run_id] = final
        finally:
            del self._jobs[run_id]

    async def _is_over(self, run_id: str) -> bool:
        try:
            return (await self._runs.get(run_id)).status.is_terminal
        except RunNotFoundError:
            return True

    async def _save(self, final: RunFinished) -> None:
        try:
            await self._runs.finish(final)
        except RunNotFoundError:
            _LOG.warning("run %s is no longer in Redis; its end (%s) is lost", final.run_id, final.status)


def _ending(run_id: str, job: _Job) -> RunFinished:
    status, error = _verdict(run_id, job)
    usage, timings = job.recorder.usage, job.recorder.timings
    return RunFinished(run_id=run_id, status=status, error=error, usage=usage, timings=timings)


def _verdict(run_id: str, job: _Job) -> tuple[RunStatus, RunError | None]:
    if job.work.cancelled():
        reason = job.cancelled_because or "stopped from outside"
        return RunStatus.CANCELLED, RunError(type="cancelled", message=reason, remedy="start the run again")
    error = job.work.exception()
    if error is not None:
        if not isinstance(error, KNOWN_ERRORS):
            _LOG.error("run %s failed by a fault of the program", run_id, exc_info=error)
        return RunStatus(error.status) if isinstance(error, RunStopped) else RunStatus.ERROR, failure_of(error)
    outcome = job.work.result()
    # without an outcome the run had ended before its turn came; its earlier status stays
    if outcome is None or outcome.status == "success":
        return RunStatus.SUCCESS, None
    reasons = "; ".join(f"step {result.id}: {result.error}" for result in outcome.results if result.status == "error")
    kind = "no_answer" if outcome.status == "error" else outcome.status
    remedy = "see the steps: ccoe runs show " + run_id
    return RunStatus(outcome.status), RunError(type=kind, message=outcome.reason or reasons, remedy=remedy)
