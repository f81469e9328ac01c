"""Writes what happens in a run: every event to its trace; plan, step results and answer to its record first."""

import asyncio
import time

from graphs.events import Answered, AnswerToken, GraphEvent, Planned, PlanToken, StepFinished, StepToken
from orchestrator.events import RunStarted, TraceEvent
from orchestrator.run import Run, Timings, Usage
from orchestrator.run_store import RunStore
from orchestrator.trace_store import TraceStore

_GROUP_SECONDS = 0.03

Token = PlanToken | StepToken | AnswerToken


class Recorder:
    """The EventSink of one run. A write that fails is raised by the next `emit`, which stops the run."""

    def __init__(self, run: Run, runs: RunStore, traces: TraceStore) -> None:
        self._run = run
        self._runs = runs
        self._traces = traces
        self._began = time.perf_counter()
        self._number = 0
        self._tokens: dict[tuple[str, int], Token] = {}
        self._flushing: asyncio.Task[None] | None = None
        self._in_order = asyncio.Lock()
        self.usage = Usage()
        self._plan_seconds = 0.0
        self._step_seconds: dict[int, float] = {}
        self._answer_seconds = 0.0

    @property
    def timings(self) -> Timings:
        """Seconds so far."""
        return Timings(
            plan=self._plan_seconds,
            steps=dict(self._step_seconds),
            answer=self._answer_seconds,
            total=time.perf_counter() - self._began,
        )

    async def begin(self) -> None:
        """Write the first event."""
        await self._append(RunStarted(run_id=self._run.id, task=self._run.task, worker=self._run.worker))

    async def emit(self, event: GraphEvent) -> None:
        """Keep the event. Raises RedisUnavailableError, or RunEndedError if somebody ended the run."""
        if isinstance(event, Token):
            self._group(event)
            return
        async with self._in_order:
            await self._flush()
            await self._keep(event)
            await self._append(event)

    async def close(self) -> None:
        """Write the tokens that are left. Raises what a write raised that nobody has seen yet."""
        if self._flushing is not None:
            await self._flushing
        async with self._in_order:
            await self._flush()

    def _group(self, event: Token) -> None:
        """Tokens of the same text within some milliseconds become one event."""
        match event:
            case StepToken():
                place = (event.type, event.step)
            case PlanToken():
                place = (event.type, event.draft)
            case AnswerToken():
                place = (event.type, 0)
        before = self._tokens.get(place)
        self._tokens[place] = event.model_copy(update={"text": before.text + event.text}) if before else event
        if self._flushing is None or self._flushing.done():
            if self._flushing is not None:
                self._flushing.result()
            self._flushing = asyncio.create_task(self._flush_soon())

    async def _flush_soon(self) -> None:
        await asyncio.sleep(_GROUP_SECONDS)
        async with self._in_order:
            await self._flush()

    async def _flush(self) -> None:
        tokens, self._tokens = self._tokens, {}
        for event in tokens.values():
            await self._append(event)

    async def _keep(self, event: GraphEvent) -> None:
        match event:
            case Planned():
                self._plan_seconds += event.seconds
                self._count(event.num_prompt_tokens, event.num_output_tokens)
                await self._runs.save_plan(self._run.id, event.plan)
            case StepFinished():
                result = event.result
                self._step_seconds[result.id] = result.seconds
                self._count(result.num_prompt_tokens, result.num_output_tokens)
                await self._runs.save_step(self._run.id, result)
            case Answered():
                self._answer_seconds += event.seconds
                self._count(event.num_prompt_tokens, event.num_output_tokens)
                await self._runs.save_answer(self._run.id, event.answer)
            case _:
                pass

    def _count(self, num_prompt_tokens: int, num_output_tokens: int) -> None:
        self.usage += Usage(num_prompt_tokens=num_prompt_tokens, num_output_tokens=num_output_tokens)

    async def _append(self, event: TraceEvent) -> None:
        self._number += 1
        await self._traces.append(self._run.id, self._number, event)
