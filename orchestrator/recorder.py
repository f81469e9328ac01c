"""Writes what happens in a run: every event to its trace; plan, step results and answer to its record first."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

from graphs.events import (
    Answered,
    AnswerToken,
    AnswerWanted,
    Drafted,
    GraphEvent,
    Planned,
    PlanToken,
    SpeculationDropped,
    StepFinished,
    StepPlanned,
    StepResult,
    StepStarted,
    StepToken,
)
from orchestrator.claimed_run import ClaimedRun
from orchestrator.events import RunStarted
from orchestrator.plan_memo import draft_field
from orchestrator.run import Timings, Usage
from orchestrator.trace_gap import Token, TraceGap

_GROUP_SECONDS = 0.03


class Recorder:
    """The EventSink of one claimed run. A write that fails is raised by the next `emit`, which stops the run.

    Text, starts of steps and results that are committed wait some milliseconds for what comes with them: one write.

    What an earlier worker has written, a plan, a step's result or a question, counts and is not written again.
    """

    def __init__(self, claimed: ClaimedRun) -> None:
        self._claimed = claimed
        self._began = claimed.run.started or datetime.now(UTC)
        self._tokens: dict[tuple[str, int], Token] = {}
        self._flushing: asyncio.Task[None] | None = None
        self._is_closing = asyncio.Event()
        self._in_order = asyncio.Lock()
        self._gap = TraceGap(claimed)
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
            total=(datetime.now(UTC) - self._began).total_seconds(),
        )

    async def begin(self) -> None:
        """Write the first event."""
        run = self._claimed.run
        started = RunStarted(run_id=run.id, task=run.task, worker=run.worker or "", attempt=run.fence)
        await self._claimed.append(started)

    async def emit(self, event: GraphEvent) -> None:
        """Keep the event. Raises RedisUnavailableError, RunEndedError and LeaseLostError."""
        if isinstance(event, Token):
            self._group(event)
            return
        async with self._in_order:
            await self._hold_tokens()
            await self._gap.close()
            await self._keep(event)
            if isinstance(event, StepStarted) or (isinstance(event, StepFinished) and event.result.status == "success"):
                self._flush_later()
            else:
                await self._claimed.write_held()

    async def close(self) -> None:
        """Write the tokens that are left. Raises what a write raised that nobody has seen yet."""
        self._is_closing.set()
        if self._flushing is not None:
            await self._flushing
        async with self._in_order:
            await self._flush()
            await self._gap.close()

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
        self._flush_later()

    def _flush_later(self) -> None:
        if self._flushing is None or self._flushing.done():
            if self._flushing is not None:
                self._flushing.result()
            self._flushing = asyncio.create_task(self._flush_soon())

    async def _flush_soon(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_GROUP_SECONDS):
                await self._is_closing.wait()
        async with self._in_order:
            await self._flush()

    async def _flush(self) -> None:
        await self._hold_tokens()
        await self._claimed.write_held()

    async def _hold_tokens(self) -> None:
        """Let them go in front of what is written next."""
        events, self._tokens = list(self._tokens.values()), {}
        room = self._claimed.room
        self._claimed.hold(events[:room])
        if left_out := events[room:]:
            await self._gap.add(left_out)

    async def _keep(self, event: GraphEvent) -> None:
        match event:
            case StepStarted():
                self._claimed.hold([event])
            case StepPlanned() | Drafted():
                await self._claimed.append_draft(draft_field(event), event)
            case SpeculationDropped():
                self._count(event)
                await self._claimed.append(event)
            case Planned():
                self._plan_seconds += event.seconds
                self._count(event)
                # a run that goes on from another one begins with its plan, which its own trace has not yet
                if self._claimed.run.fence == 1 or event != self._claimed.planned:
                    await self._claimed.append_plan(event)
            case StepFinished():
                self._step_seconds[event.result.id] = event.result.seconds
                self._count(event.result)
                if event.result != self._claimed.run.steps.get(event.result.id):
                    self._claimed.hold_step(event)
            case AnswerWanted():
                question = self._claimed.run.questions.get(event.step)
                if question is None or event != question.wanted:
                    await self._claimed.append_question(event)
            case Answered():
                self._answer_seconds += event.seconds
                self._count(event)
                await self._claimed.append_answer(event)
            case _:
                await self._claimed.append(event)

    def _count(self, used: Planned | SpeculationDropped | StepResult | Answered) -> None:
        self.usage += Usage(num_prompt_tokens=used.num_prompt_tokens, num_output_tokens=used.num_output_tokens)
