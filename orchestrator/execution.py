"""One run in this process, from its claim to a true end."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from graphs.asking import key_of
from graphs.errors import RunStopped
from graphs.events import EventSink
from graphs.run import RunOutcome
from orchestrator.claimed_run import ClaimedRun
from orchestrator.errors import (
    LeaseLostError,
    RedisUnavailableError,
    RunEndedError,
    RunNotFoundError,
    RunUnreadableError,
)
from orchestrator.events import RunFinished
from orchestrator.failure import KNOWN_ERRORS, failure_of
from orchestrator.recorder import Recorder
from orchestrator.run import Run, RunError, RunStatus
from orchestrator.run_queue import Lease, RunQueue
from orchestrator.run_store import RunStore, so_far
from orchestrator.step_memo import memo_field

Perform = Callable[[ClaimedRun, EventSink], Awaitable[RunOutcome]]
"""What a run does; events go to the sink."""
OnEnd = Callable[[str], Awaitable[None]]
"""Is told a run that has ended, at least once, before the queue forgets it."""

LOOK_SECONDS = 0.25
"""How often an execution looks whether its run is still its own: a cancelled run stops within this time."""
INSIST_SECONDS = 1.0
"""A cancelled task is cancelled again after this time: before Python 3.12 asyncio.wait_for may swallow the first."""
_PAUSE_SECONDS = 1.0
_NOT_OURS = (RunEndedError, RunNotFoundError, LeaseLostError)
_LOG = logging.getLogger(__name__)


class Execution:
    """Claims the leased run, performs it and settles how it ended."""

    def __init__(
        self, lease: Lease, runs: RunStore, queue: RunQueue, perform: Perform, on_end: OnEnd | None = None
    ) -> None:
        self.lease = lease
        self._runs = runs
        self._queue = queue
        self._perform = perform
        self._on_end = on_end
        self._look = asyncio.Event()
        self._is_handing_back = False

    def hand_back(self) -> None:
        """Stop, and let another worker go on."""
        self._is_handing_back = True
        self._look.set()

    def look(self) -> None:
        """Look at the record now: somebody has cancelled the run."""
        self._look.set()

    async def run(self) -> None:
        """Return when the run has ended or is somebody else's.

        Raises RedisUnavailableError if it cannot be claimed, or handed back: its lease is to be left.
        """
        claimed = await self._claim()
        if claimed is None:
            await self._let_go()
            return
        recorder = Recorder(claimed)
        work = asyncio.create_task(self._work(claimed, recorder))
        work.add_done_callback(lambda _: self._look.set())
        try:
            await self._watch(claimed, work)
        finally:
            while not work.done():
                work.cancel()
                await asyncio.wait({work}, timeout=INSIST_SECONDS)
        await self._settle(claimed, work, recorder)

    async def _claim(self) -> ClaimedRun | None:
        run_id = self.lease.run_id
        try:
            return await self._runs.claim(run_id, self._queue.worker)
        except RunUnreadableError as error:
            await self._runs.end(RunFinished(run_id=run_id, status=RunStatus.ERROR, error=failure_of(error)))
        return None

    async def _work(self, claimed: ClaimedRun, recorder: Recorder) -> RunOutcome | None:
        if claimed.run.attempts > claimed.run.max_attempts:
            return None
        await recorder.begin()
        try:
            return await self._perform(claimed, recorder)
        finally:
            await recorder.close()

    async def _watch(self, claimed: ClaimedRun, work: asyncio.Task[RunOutcome | None]) -> None:
        """Until the work is done, or is no longer ours to do. A write that was taken is a look, too."""
        seconds = LOOK_SECONDS
        while not (work.done() or self._is_handing_back):
            self._look.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._look.wait()
            seconds = LOOK_SECONDS - (time.monotonic() - claimed.heard)
            if work.done() or (seconds > 0 and not self._look.is_set()):
                continue
            seconds = LOOK_SECONDS
            try:
                await claimed.check()
            except _NOT_OURS:
                return
            except RedisUnavailableError as error:
                _LOG.warning("run %s goes on unwatched: %s", claimed.run.id, error)

    async def _settle(self, claimed: ClaimedRun, work: asyncio.Task[RunOutcome | None], recorder: Recorder) -> None:
        """Write how it ended. While Redis is away this is tried again, unless the process ends."""
        while True:
            try:
                await self._write_end(claimed, work, recorder)
                return
            except RedisUnavailableError as error:
                if self._is_handing_back:
                    raise
                _LOG.warning("run %s is settled when Redis is back: %s", claimed.run.id, error)
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _write_end(self, claimed: ClaimedRun, work: asyncio.Task[RunOutcome | None], recorder: Recorder) -> None:
        try:
            has_failed = not work.cancelled() and isinstance(work.exception(), RedisUnavailableError)
            if work.cancelled() or has_failed:
                await claimed.hand_back(counts=has_failed)
                await self._queue.hand_back(self.lease)
                return
            if work.exception() is None and (outcome := work.result()) and outcome.status == "interrupted":
                await self._interrupt(claimed, outcome)
                return
            await claimed.finish(_ending(claimed.run, work, recorder))
        except LeaseLostError as error:
            _LOG.warning("%s", error)
            return
        except (RunEndedError, RunNotFoundError):
            pass  # somebody has cancelled it
        await self._leave()

    async def _let_go(self) -> None:
        """Nobody is to execute it: it is over, or waits for a person and its worker died before its entry was aside."""
        if await self._runs.is_over(self.lease.run_id):
            await self._leave()
        else:
            await self._set_aside()

    async def _leave(self) -> None:
        if self._on_end:
            await self._on_end(self.lease.run_id)
        await self._queue.done(self.lease)

    async def _interrupt(self, claimed: ClaimedRun, outcome: RunOutcome) -> None:
        """Nobody executes a run that waits for a person. Whoever dies here leaves it to the lease or to a sweep."""
        questions = {memo_field(key_of(wanted)): wanted for wanted in outcome.wanted}
        await claimed.interrupt(questions, outcome.spent)
        await self._set_aside()

    async def _set_aside(self) -> None:
        await self._queue.set_aside(self.lease)
        if not await self._runs.is_interrupted(self.lease.run_id):
            await self._queue.wake(self.lease.run_id)  # answered, or cancelled, before its entry was aside


def _ending(run: Run, work: asyncio.Task[RunOutcome | None], recorder: Recorder) -> RunFinished:
    """Raises what stopped the work if the run is no longer ours."""
    error = work.exception()
    if isinstance(error, _NOT_OURS):
        raise error
    if error is not None:
        if not isinstance(error, KNOWN_ERRORS):
            _LOG.error("run %s failed by a fault of the program", run.id, exc_info=error)
        status = RunStatus(error.status) if isinstance(error, RunStopped) else RunStatus.ERROR
        reason = failure_of(error)
    elif (outcome := work.result()) is None:
        return so_far(run, RunStatus.ERROR, _worn_out(run))
    else:
        status, reason = _verdict(run.id, outcome)
    return RunFinished(run_id=run.id, status=status, error=reason, usage=recorder.usage, timings=recorder.timings)


def _verdict(run_id: str, outcome: RunOutcome) -> tuple[RunStatus, RunError | None]:
    if outcome.status == "success":
        return RunStatus.SUCCESS, None
    reasons = "; ".join(f"step {result.id}: {result.error}" for result in outcome.results if result.status == "error")
    kind = "no_answer" if outcome.status == "error" else outcome.status
    remedy = "see the steps: ccoe runs show " + run_id
    return RunStatus(outcome.status), RunError(type=kind, message=outcome.reason or reasons, remedy=remedy)


def _worn_out(run: Run) -> RunError:
    times = "once" if run.max_attempts == 1 else f"{run.max_attempts} times"
    return RunError(
        type="worker_died",
        message=f"the run was taken up {times}; its worker died or lost Redis before another step was finished",
        remedy=f"see the logs of the workers, then: ccoe runs resume {run.id}",
    )
