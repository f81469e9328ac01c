"""Starts every step as soon as its last dependency has committed; a node of the graph only awaits its result.

LangGraph runs in supersteps: in a bare StateGraph a ready node waits for the slowest node of the superstep before it.
The dispatcher runs ahead of LangGraph wherever nothing is left to decide:

    LangGraph   r1.s1 r1.s2 ············│ r1.s3 │ r1.s4 │     s3 needs s1, s4 needs s3; s2 is slow
    dispatcher  s1 ──▶ s3 ──▶ s4                              s3 and s4 are there when their nodes ask
                s2 ────────────────────▶
"""

import asyncio
import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Protocol, Self

from graphs.errors import RunStopped, StepRequired
from graphs.events import EventSink, StepFinished, StepResult
from graphs.plan import Plan, Step
from graphs.protocols import StepKey, StepMemo
from graphs.state import Results
from graphs.step_runner import Commit


class RunStep(Protocol):
    """Runs a step with the results of what it needs, and commits a success before anybody hears of it."""

    async def __call__(self, step: Step, results: Results, commit: Commit | None) -> StepResult: ...


def step_key(step: Step, results: Results) -> StepKey:
    """Which execution of a step this is: its text, its expert, and what it is given."""
    needed = [results[k] for k in step.depends_on]
    inputs = [(one.id, one.status, one.result, one.data, one.error) for one in needed]
    given = json.dumps([step.text, step.expert, inputs])
    return StepKey(step.id, hashlib.sha256(given.encode()).hexdigest(), step.round)


@dataclass(frozen=True, slots=True)
class _Execution:
    key: StepKey
    task: asyncio.Task[None]


class Dispatcher:
    """Runs the steps of one round. Used as a context: leaving it cancels what still runs.

    Where the state that a node brings has other results than the dispatcher knows (it was resumed, edited or forked),
    the state holds, and what was started from other values is cancelled and started anew.
    """

    def __init__(
        self,
        plan: Plan,
        run_step: RunStep,
        sink: EventSink,
        *,
        memo: StepMemo | None = None,
        held: Collection[int] = (),
    ) -> None:
        self._steps, self._dependants = {step.id: step for step in plan.steps}, plan.dependants
        self._run_step, self._sink, self._memo = run_step, sink, memo
        self._held = held
        """Steps that only their nodes start: what LangGraph may not let run (interrupt points, open conditions)."""
        self._results: dict[int, StepResult] = {}
        self._in_state: Collection[int] = ()
        self._executions: dict[int, _Execution] = {}
        self._waiting: dict[int, asyncio.Future[StepResult]] = {}
        self._cancelled: set[asyncio.Task[None]] = set()
        self._fault: BaseException | None = None
        self.stopped: RunStopped | None = None
        """Why the run ended early."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for execution in self._executions.values():
            self._cancel(execution)
        await self._settled()

    async def result_of(self, step: Step, state: Results) -> StepResult:
        """The result of a step whose node LangGraph runs with this state.

        Raises what a step raised, be it this one or another: a fault ends the run.
        """
        if self._fault:
            raise self._fault
        self._adopt(state)
        self._refresh(step.id, is_asked=True)
        if step.id in self._results:
            return self._results[step.id]
        return await self._waiting.setdefault(step.id, asyncio.get_running_loop().create_future())

    async def drain(self) -> None:
        """Return when nothing runs any more: after an interrupt, branches that do not need it run to their end."""
        while running := [one.task for one in self._executions.values() if not one.task.done()]:
            await asyncio.wait(running)
        if self._fault:
            raise self._fault

    def _adopt(self, state: Results) -> None:
        """Take over what the state knows, and start what is ready."""
        first, self._in_state = not (self._executions or self._results), state.keys()
        if not self.stopped:
            # results of a state that was left: nothing here has run them
            for k in self._results.keys() - self._executions.keys() - state.keys():
                del self._results[k]
        changed = [k for k, result in state.items() if (known := self._results.get(k)) is not result != known]
        for k in changed:
            self._forget(k)
            self._results[k] = state[k]
        affected = self._steps if first else [d for k in changed for d in self._dependants.get(k, ())]
        for k in affected:
            self._refresh(k)

    def _refresh(self, k: int, *, is_asked: bool = False) -> None:
        """Start a step if it is ready, anew if what it was started from no longer holds."""
        if k in self._in_state or self.stopped:
            return
        step, execution = self._steps[k], self._executions.get(k)
        is_ready = all(needed in self._results for needed in step.depends_on)
        key = step_key(step, self._results) if is_ready else None
        if execution and execution.key != key:
            self._forget(k)
            for dependant in self._dependants[k]:
                self._refresh(dependant)
            execution = None
        if key and not execution and (is_asked or k not in self._held):
            given = {needed: self._results[needed] for needed in step.depends_on}
            task = asyncio.create_task(self._execute(step, key, given))
            task.add_done_callback(self._look_at)
            self._executions[k] = _Execution(key, task)

    async def _execute(self, step: Step, key: StepKey, given: Results) -> None:
        try:
            memo = self._memo
            if memo and (result := await memo.load(key)):
                await self._sink.emit(StepFinished(result=result))
            else:
                result = await self._run_step(step, given, partial(memo.commit, key) if memo else None)
        except RunStopped as stopped:
            await self._stop(stopped)
            return
        current = self._executions.get(step.id)
        if current and current.task is asyncio.current_task():
            self._commit(result)

    def _commit(self, result: StepResult) -> None:
        self._results[result.id] = result
        waiting = self._waiting.pop(result.id, None)
        if waiting and not waiting.done():
            waiting.set_result(result)
        for dependant in self._dependants[result.id]:
            self._refresh(dependant)

    async def _stop(self, stopped: RunStopped) -> None:
        """End the run with what is done: what runs is cancelled, and every step without a result is told why."""
        if self.stopped:
            return
        self.stopped = stopped
        if isinstance(stopped, StepRequired):
            self._commit(stopped.result)
        for execution in self._executions.values():
            if execution.task is not asyncio.current_task():
                self._cancel(execution)
        await self._settled()
        for k in sorted(self._steps.keys() - self._results.keys()):
            result = StepResult(id=k, status="skipped", error=f"the run ended before: {stopped.reason}")
            await self._sink.emit(StepFinished(result=result))
            self._commit(result)

    def _forget(self, k: int) -> None:
        self._results.pop(k, None)
        if execution := self._executions.pop(k, None):
            self._cancel(execution)

    def _cancel(self, execution: _Execution) -> None:
        if not execution.task.done():
            execution.task.cancel()
            self._cancelled.add(execution.task)
            execution.task.add_done_callback(self._cancelled.discard)

    async def _settled(self) -> None:
        """Return when all that was cancelled has ended."""
        while self._cancelled:
            await asyncio.wait(self._cancelled)

    def _look_at(self, task: asyncio.Task[None]) -> None:
        if task in self._cancelled:
            return
        # nobody here has cancelled it: without a fault its node would wait for ever
        fault = RuntimeError("a step was cancelled by its own code") if task.cancelled() else task.exception()
        if fault is None:
            return
        self._fault = self._fault or fault
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(fault)
        self._waiting.clear()
