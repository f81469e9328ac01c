"""From what is asked to a run that waits for its turn."""

from collections.abc import Mapping

from graphs.errors import InvalidPlan
from orchestrator.continuation import Continuation, forked, resumed
from orchestrator.errors import RunNotFoundError, RunRefusedError, ServiceStoppingError
from orchestrator.run import Run, Scheduling
from orchestrator.run_check import RunCheck
from orchestrator.run_queue import RunQueue
from orchestrator.run_request import RunRequest
from orchestrator.run_store import RunStore
from orchestrator.thread_errors import ThreadBusyError, ThreadNotFoundError
from orchestrator.thread_store import ThreadStore
from orchestrator.worker import Worker

_OF_A_REQUEST = ("task", "thread_id", "workflow", "inputs", "mode", "limits")
"""What of a run, besides its plan, another request with the same idempotency key must not differ in."""


class RunIntake:
    """Stores what is asked, if it is in order, as a run in the queue. All methods raise RedisUnavailableError."""

    def __init__(
        self,
        check: RunCheck,
        runs: RunStore,
        queue: RunQueue,
        worker: Worker,
        threads: ThreadStore,
        *,
        is_private: bool,
    ) -> None:
        self._check, self._runs, self._queue, self._worker, self._threads = check, runs, queue, worker, threads
        self._is_private = is_private

    async def start(self, request: RunRequest, thread_id: str | None = None) -> Run:
        """Start the run that is asked for, in a thread if one is named. Returns at once.

        `limits` can only lower what the settings allow any run; a workflow's definition is kept as it is now.

        Raises RunRefusedError, TaskError, InvalidPlan, InvalidWorkflow, InvalidInputs, ServiceStoppingError;
        ThreadNotFoundError and ThreadBusyError.
        """
        return await self._accept(self._check.checked(request, thread_id), request)

    async def resume(self, run_id: str) -> Run:
        """A new run that keeps what an ended one has finished, and does the rest.

        Raises RunNotFoundError, RunNotResumableError, ServiceStoppingError.
        """
        run = await self._runs.get(run_id)
        return await self._continue(run, resumed(run, await self._runs.memo(run_id)))

    async def fork(self, run_id: str, step: int, edits: Mapping[str, str]) -> Run:
        """A new run that keeps what an ended one has finished without the step, which is edited and done anew.

        Raises RunNotFoundError, RunNotResumableError, RunRefusedError, InvalidPlan, ServiceStoppingError.
        """
        run = await self._runs.get(run_id)
        if run.workflow and set(edits) - {"result"}:
            raise RunRefusedError("only the result of a workflow's step can be set", "set its result, or edit the file")
        try:
            continuation = forked(run, await self._runs.memo(run_id), step, edits)
        except ValueError as error:
            raise InvalidPlan((str(error),)) from error
        return await self._continue(run, continuation)

    async def _continue(self, earlier: Run, continuation: Continuation) -> Run:
        scheduling = Scheduling(priority=earlier.priority, concurrency=earlier.concurrency)
        return await self._accept(self._check.continued(earlier, continuation), scheduling, continuation.memo)

    async def _accept(self, run: Run, scheduling: Scheduling, memo: Mapping[str, str] | None = None) -> Run:
        if self._worker.is_closed:
            raise ServiceStoppingError
        run = run.model_copy(update={"priority": scheduling.priority, "concurrency": scheduling.concurrency})
        if earlier := await self._earlier(scheduling.idempotency_key):
            return _repeated(run, earlier)
        await self._runs.create(run, memo)
        await self._enter_thread(run, scheduling)
        run_id, lease = await self._queue.put(run, scheduling, is_private=self._is_private)
        if run_id != run.id:
            await self._withdraw(run)
            return _repeated(run, await self._runs.get(run_id))
        await self._runs.keep(run.id)
        if run.thread_id is not None:
            await self._threads.keep(run)
        if lease is not None:
            self._worker.begin(lease)
        return run

    async def _earlier(self, idempotency_key: str | None) -> Run | None:
        """The run that the key has made: its thread may be busy with it. If it was deleted, the key is free again."""
        known = await self._queue.run_of(idempotency_key) if idempotency_key else None
        if known is None or idempotency_key is None:
            return None
        try:
            return await self._runs.get(known)
        except RunNotFoundError:
            await self._queue.forget(idempotency_key, known)
            return None

    async def _enter_thread(self, run: Run, scheduling: Scheduling) -> None:
        if run.thread_id is None:
            return
        try:
            await self._threads.enter(run, scheduling.if_busy)
        except (ThreadNotFoundError, ThreadBusyError):
            await self._runs.drop(run.id)
            raise

    async def _withdraw(self, run: Run) -> None:
        if run.thread_id is not None:
            await self._threads.withdraw(run)
        await self._runs.drop(run.id)


def _repeated(run: Run, earlier: Run) -> Run:
    """The run that the same request has made. Raises RunRefusedError if it was another request."""
    is_same_plan = earlier.is_plan_given == run.is_plan_given and (not run.is_plan_given or earlier.plan == run.plan)
    others = [name for name in _OF_A_REQUEST if getattr(earlier, name) != getattr(run, name)]
    others += [] if is_same_plan else ["plan"]
    if others:
        reason = f"the idempotency key belongs to run {earlier.id!r}, which has another {', '.join(others)}"
        raise RunRefusedError(reason, "send a new key with a new request")
    return earlier
