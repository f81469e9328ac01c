"""Starts every step as soon as its last dependency has committed; a node of the graph only awaits its result.

LangGraph runs in supersteps: in a bare StateGraph a ready node waits for the slowest node of the superstep before it.
The dispatcher runs ahead of LangGraph wherever nothing is left to decide:

    LangGraph   r1.s1 r1.s2 ············│ r1.s3 │ r1.s4 │     s3 needs s1, s4 needs s3; s2 is slow
    dispatcher  s1 ──▶ s3 ──▶ s4                              s3 and s4 are there when their nodes ask
                s2 ────────────────────▶

A step for a person is asked when it is ready. When all that does not need the answers has run to its end, the node of
such a step interrupts the graph.
"""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Protocol, Self

from langgraph.types import interrupt

from graphs.asking import is_asked, question_of
from graphs.errors import RunStopped, StepRequired
from graphs.events import AnswerWanted, EventSink, StepFinished, StepResult
from graphs.person import PERSON
from graphs.plan import Plan, Step
from graphs.protocols import StepKey, StepMemo
from graphs.state import Results
from graphs.step_runner import Commit
from graphs.tools.call_key import at, current_place


class RunStep(Protocol):
    """Runs a step with the results of what it needs, and commits a success before anybody hears of it."""

    async def __call__(self, step: Step, results: Results, commit: Commit | None) -> StepResult: ...


_Find = Callable[[], Awaitable[StepResult | None]]


def step_key(step: Step, plan: Plan, results: Results) -> StepKey:
    """Which execution of a step this is: its text, its expert, and what it is given: results, and what they answer."""
    needed = [(plan.steps[k - 1].text, results[k]) for k in step.depends_on]
    inputs = [(one.id, text, one.status, one.result, one.data, one.error) for text, one in needed]
    given = json.dumps([step.text, step.expert, inputs])
    return StepKey(step.id, hashlib.sha256(given.encode()).hexdigest(), step.round)


@dataclass(frozen=True, slots=True)
class _Execution:
    key: StepKey
    task: asyncio.Task[None]
    wanted: AnswerWanted | None = None
    """What the task waits for a person to say."""


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
        run_id: str = "",
    ) -> None:
        """Without the id of a run the steps belong to whatever part of one this is."""
        self._place = (run_id,) if run_id else current_place()
        self._plan, self._steps, self._dependants = plan, {step.id: step for step in plan.steps}, plan.dependants
        self._run_step, self._sink, self._memo = run_step, sink, memo
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

        Raises what a step raised, be it this one or another: a fault ends the run. Without a person's answer it
        interrupts the graph (GraphInterrupt) once nothing else runs.
        """
        if self._fault:
            raise self._fault
        self._adopt(state)
        self._refresh(step.id)
        if step.id in self._results:
            return self._results[step.id]
        result = self._waiting.setdefault(step.id, asyncio.get_running_loop().create_future())
        if step.expert == PERSON:
            await self._until_idle(result)
            if not result.done():
                await self._interrupt(step.id)
        return await result

    @property
    def results(self) -> Results:
        """All that is known."""
        return dict(sorted(self._results.items()))

    @property
    def wanted(self) -> tuple[AnswerWanted, ...]:
        """What persons were asked and have not answered."""
        executions = sorted(self._executions.items())
        return tuple(one.wanted for k, one in executions if one.wanted and k not in self._results)

    async def _until_idle(self, result: asyncio.Future[StepResult]) -> None:
        """Return when the result is there, or nothing runs any more but waits for persons."""
        while not result.done():
            running = [one.task for one in self._executions.values() if not (one.wanted or one.task.done())]
            if not running:
                return
            await asyncio.wait([result, *running], return_when=asyncio.FIRST_COMPLETED)

    async def _interrupt(self, k: int) -> None:
        """Stop the graph. What is answered from now on, and what has failed, is found by whoever goes on."""
        for execution in self._executions.values():
            self._cancel(execution)
        for step, execution in tuple(self._executions.items()):
            result = self._results.get(step)
            if self._memo and result and result.status == "error":
                await self._memo.commit(execution.key, result)
        wanted = self._executions[k].wanted
        interrupt(wanted.model_dump(mode="json") if wanted else None)

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

    def _refresh(self, k: int) -> None:
        """Start a step if it is ready, anew if what it was started from no longer holds."""
        if k in self._in_state or self.stopped:
            return
        step, execution = self._steps[k], self._executions.get(k)
        is_ready = all(needed in self._results for needed in step.depends_on)
        key = step_key(step, self._plan, self._results) if is_ready else None
        if execution and execution.key != key:
            self._forget(k)
            for dependant in self._dependants[k]:
                self._refresh(dependant)
            execution = None
        if key and not execution:
            given = {needed: self._results[needed] for needed in step.depends_on}
            self._start(step, key, partial(self._found, step, key, given))

    def _start(self, step: Step, key: StepKey, find: _Find, wanted: AnswerWanted | None = None) -> None:
        task = asyncio.create_task(self._execute(step, find))
        task.add_done_callback(self._look_at)
        self._executions[step.id] = _Execution(key, task, wanted)

    async def _execute(self, step: Step, find: _Find) -> None:
        place = (*self._place, f"r{step.round}.s{step.id}") if self._place else ()
        try:
            with at(place):  # and what is started behind it is elsewhere
                result = await find()
        except RunStopped as stopped:
            await self._stop(stopped)
            return
        if result and self._is_current(step):
            self._commit(result)

    async def _found(self, step: Step, key: StepKey, given: Results) -> StepResult | None:
        """The step's result; None if a person was asked for it."""
        memo = self._memo
        if memo and (result := await memo.load(key)):
            return await self._known(step, result)
        if not is_asked(step, given):
            return await self._run_step(step, given, partial(memo.commit, key) if memo else None)
        wanted = question_of(step, given, key)
        await self._sink.emit(wanted)
        if self._is_current(step):
            self._start(step, key, partial(self._heard, step, key), wanted)
        return None

    async def _heard(self, step: Step, key: StepKey) -> StepResult:
        """What a person says while other steps still run."""
        if self._memo is None:
            return await asyncio.Future()  # nobody could tell
        return await self._known(step, await self._memo.answered(key))

    async def _known(self, step: Step, result: StepResult) -> StepResult:
        await self._sink.emit(StepFinished(result=result))
        if result.status == "error" and step.policy and step.policy.on_failure == "fail":
            raise StepRequired(result)
        return result

    def _is_current(self, step: Step) -> bool:
        current = self._executions.get(step.id)
        return current is not None and current.task is asyncio.current_task()

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
