"""Kills the worker, or Valkey, before and after each Redis command of a run; counts what was lost or done twice.

A clean run is counted first. Then, for every command, a run of its own (in a tenant of its own) is begun by a process
that kills itself with SIGKILL there; another worker finds what it left. Or it kills its Valkey, starts another one as
every service does, and goes on itself. What was really done is in a ledger, a file.
"""

import asyncio
import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any, Literal

from redis.asyncio import Redis

from graphs.events import AnswerWanted, StepFinished, StepPlanned
from graphs.person import PersonAnswer
from orchestrator.answer_store import AnswerStore
from orchestrator.batched_redis import BatchedRedis
from orchestrator.claimed_run import DRAFT_FIELDS
from orchestrator.delivery_store import DeliveryStore
from orchestrator.events import RunInterrupted, TraceEvent
from orchestrator.expert_host import OpenExperts
from orchestrator.keys import Keys
from orchestrator.redis_connection import redis_connection
from orchestrator.run import Scheduling
from orchestrator.run_queue import RunQueue
from orchestrator.run_store import RunStore
from orchestrator.service import Service
from orchestrator.settings import Settings, read_settings
from orchestrator.step_memo import step_of
from orchestrator.trace_store import TraceStore
from orchestrator.webhook import WebhookEvent
from tests.orchestrator.conditions import until
from tests.orchestrator.ledger_experts import executions, open_ledger_experts
from tests.orchestrator.records import a_run, kept
from tests.orchestrator.tripwire import Point, Tripwire, committed_line

PLAN = [
    {"id": 1, "text": "say 1", "expert": "math"},
    {"id": 2, "text": "say 2", "expert": "math"},
    {"id": 3, "text": "say 3 then #1", "expert": "math"},
    {"id": 4, "text": "say 4 then #2", "expert": "math"},
    {"id": 5, "text": "say #3 and #4", "expert": "general"},
]
TASK = "say 1. say 2. say 3 then that. say 4 then that."
"""What the planner writes that plan for."""
_TEXTS = {1: "say 1", 2: "say 2", 3: "say 3 then 1", 4: "say 4 then 2", 5: "say 3 then 1 and 4 then 2"}
"""The steps as they stand in the ledger, results filled in."""
WEBHOOK = {"url": "http://127.0.0.1:9/", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
"""Its address is refused when it is delivered, so that what was written stays to be seen."""
WAITING_PLAN = [
    {"id": 1, "text": "say 1", "expert": "math"},
    {"id": 2, "text": "Is it #1?", "expert": "person"},
    {"id": 3, "text": "say #2", "expert": "general"},
]
_WAITING_TEXTS = {1: "say 1", 3: "say approved"}
Kind = Literal["given", "planned", "waiting"]
"""A run with its plan, one that is planned in two drafts, one that waits for a person."""
_AT_ONCE = 6
_RESCUED_AT_ONCE = 40
"""Each has connections of its own."""
_PATIENCE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a kill."""

    point: Point
    command: str
    """The last command that the killed worker had in hand."""
    was_killed: bool
    status: str
    lost: int
    """Steps that were not done or have no result."""
    committed_twice: int
    done_again: int
    """Steps that were done, or of a plan that were written, again though they were committed."""
    told_twice: int
    """Of its question and its interruption, in the trace and to its webhook."""
    is_told: bool
    """Its webhook is to be told of its end."""

    @property
    def is_right(self) -> bool:
        """Nothing was lost, nothing was done twice, and the run has ended well."""
        is_whole = self.status == "success" and self.is_told
        return is_whole and not self.lost + self.committed_twice + self.done_again + self.told_twice


def open_experts(ledger: Path, kind: Kind) -> OpenExperts:
    """Those of a victim and of who goes on."""
    steps = [(str(step["text"]), str(step["expert"])) for step in PLAN]
    return open_ledger_experts(ledger, 0.01, steps if kind == "planned" else [])


def victim(settings: Settings, ledger: Path, log: Path, point: Point, kind: Kind, *, kills_valkey: bool) -> None:
    """The process that is killed, or finishes the run if the point is not reached or only its Valkey is killed."""

    def valkey() -> int:
        return int((settings.data_dir / "valkey" / "valkey.pid").read_text())

    tripwire = Tripwire(point, log, ledger, valkey if kills_valkey else os.getpid)

    async def execute_command(redis: Redis, *command: Any, **options: Any) -> Any:
        return await tripwire.execute_command(redis, *command, **options)

    async def work() -> None:
        async with Service.open(settings, open_experts(ledger, kind)):
            await tripwire.is_done.wait()

    BatchedRedis.execute_command = execute_command  # type: ignore[method-assign]
    asyncio.run(work())


class Trial:
    """One run, its victim, and what is left of both."""

    def __init__(self, redis: Redis, folder: Path, point: Point, kind: Kind, data_dir: Path | None = None) -> None:
        """With a data directory the Valkey in it is killed, else the worker."""
        name = f"{kind}-{point.number}-{point.side}"
        self._kind, self._texts = kind, _WAITING_TEXTS if kind == "waiting" else _TEXTS
        self._kills_valkey = data_dir is not None
        self.settings = read_settings(tenant=name, speculate=True, **({"data_dir": data_dir} if data_dir else {}))
        self.ledger = folder / f"{name}.ledger"
        self._log = folder / f"{name}.log"
        self._point = point
        self._runs = RunStore(redis, Keys(name), 3600)
        self._traces = TraceStore(redis, self._runs)
        self._queue = RunQueue(redis, Keys(name), "nobody", 3600)
        self._deliveries = DeliveryStore(redis, Keys(name), self.settings)
        self._answers = AnswerStore(redis, self._runs, self._queue)
        self._was_killed = False
        self._committed: dict[str, int] = {}

    async def kill(self, context: ForkServerContext) -> None:
        """Let the victim begin the run and die."""
        steps = WAITING_PLAN if self._kind == "waiting" else PLAN
        given = a_run(is_plan_given=True, plan={"steps": steps}, webhook=WEBHOOK)
        self._run = await kept(self._runs, a_run(TASK, webhook=WEBHOOK) if self._kind == "planned" else given)
        await self._queue.put(self._run, Scheduling())
        victims = (self.settings, self.ledger, self._log, self._point, self._kind)
        process = context.Process(target=victim, args=victims, kwargs={"kills_valkey": self._kills_valkey})
        process.start()
        await asyncio.to_thread(process.join, _PATIENCE_SECONDS)
        is_reached = 0 < self._point.number <= len(self.commands)
        self._was_killed = is_reached if self._kills_valkey else process.exitcode == -signal.SIGKILL
        process.kill()
        done = executions(self.ledger)
        self._committed = {line: done[line] for line in await self._lines_in_memo()}

    async def outcome(self) -> Outcome:
        """When the run has ended, or after a while if it does not."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_SECONDS):
                if self._kind == "waiting":
                    await self._answer()
                await self._traces.until_ended(self._run.id)
                await until(self._is_told, "the webhook is told", _PATIENCE_SECONDS)
        run = await self._runs.get(self._run.id)
        done = executions(self.ledger)
        in_memo = await self._steps_in_memo()
        events = [entry.event for entry in await self._traces.read(run.id)]
        finished = Counter(event.result.id for event in events if isinstance(event, StepFinished))
        written = Counter((event.draft, event.step.id) for event in events if isinstance(event, StepPlanned))
        return Outcome(
            point=self._point,
            command=self.commands[-1] if self.commands else "",
            was_killed=self._was_killed,
            status=run.status,
            lost=sum(1 for k in self._texts if not done[self._line(k)] or k not in run.steps),
            committed_twice=sum(times - 1 for counted in (in_memo, finished, written) for times in counted.values()),
            done_again=sum(done[line] - times for line, times in self._committed.items()) + self._done_behind_commit(),
            told_twice=await self._told_twice(events),
            is_told=await self._is_told(),
        )

    async def _answer(self) -> None:
        """As soon as the run waits; or, in every other trial, when its entry is set aside too."""

        async def waits() -> bool:
            is_interrupted = await self._runs.is_interrupted(self._run.id)
            return is_interrupted and (self._point.side == "before" or self._run.id in await self._queue.aside())

        await until(waits, "the run waits for a person", _PATIENCE_SECONDS)
        await self._answers.answer(self._run.id, 2, PersonAnswer(decision="approve"), "ana")

    @property
    def commands(self) -> list[str]:
        """What the victim has sent, in words."""
        return self._log.read_text().splitlines()

    async def _told_twice(self, events: Sequence[TraceEvent]) -> int:
        traced = Counter(event.type for event in events if isinstance(event, AnswerWanted | RunInterrupted))
        delivered = Counter(delivery.event for delivery in await self._deliveries.latest(10))
        return sum(times - 1 for counted in (traced, delivered) for times in counted.values())

    def _done_behind_commit(self) -> int:
        """Steps that were done again after Redis had acknowledged their results."""
        lines = self.ledger.read_text().splitlines() if self.ledger.exists() else []
        marks = {step: committed_line(step) for step in self._texts}
        behind = {step: lines[lines.index(mark) :] for step, mark in marks.items() if mark in lines}
        return sum(rest.count(self._line(step)) for step, rest in behind.items())

    async def _is_told(self) -> bool:
        told = [delivery.event for delivery in await self._deliveries.latest(10)]
        return told.count(WebhookEvent.RUN_FINISHED) == 1

    async def _steps_in_memo(self) -> Counter[int]:
        steps = map(step_of, await self._runs.memo(self._run.id))
        return Counter(step for step in steps if step is not None)

    async def _lines_in_memo(self) -> list[str]:
        """Of the ledger, for all that is committed."""
        drafts = [
            field.removeprefix(DRAFT_FIELDS).rstrip(":").split(".")[1:]
            for field in await self._runs.memo(self._run.id)
            if field.startswith(DRAFT_FIELDS)
        ]
        last = {"1": "3", "2": str(len(PLAN) + 1)}
        pieces = [f"{draft}.{last[draft] if step == 'end' else step}" for draft, step in drafts]
        steps = [step for step in await self._steps_in_memo() if step in self._texts]  # a person keeps no ledger
        return [*map(self._line, steps), *(f"{self._run.task}|{piece}" for piece in pieces)]

    def _line(self, step: int) -> str:
        return f"{self._run.task}|{self._texts[step]}"


def _points(commands: Sequence[str], every: int) -> list[Point]:
    numbers = range(1, len(commands) + 1)
    return [Point(number, side) for number in numbers for side in ("before", "after")][::every]


def _forkserver() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


async def crash_matrix(redis: Redis, folder: Path, every: int = 1, kind: Kind = "given") -> list[Outcome]:
    """Every `every`-th point of the matrix, of a kind of run. The settings of the environment name the Redis."""
    context = _forkserver()
    for warm_up in ("before", "after"):  # the second one finds all scripts loaded
        clean = Trial(redis, folder, Point(0, warm_up), kind)
        await clean.kill(context)
    trials = [Trial(redis, folder, point, kind) for point in _points(clean.commands, every)]
    few = asyncio.Semaphore(_AT_ONCE)

    async def killed(trial: Trial) -> None:
        async with few:
            await trial.kill(context)

    await asyncio.gather(*(killed(trial) for trial in trials))
    many = asyncio.Semaphore(_RESCUED_AT_ONCE)

    async def rescued(trial: Trial) -> Outcome:
        async with many, Service.open(trial.settings, open_experts(trial.ledger, kind)):
            return await trial.outcome()

    return list(await asyncio.gather(*(rescued(trial) for trial in trials)))


async def valkey_matrix(folder: Path, every: int = 1, kind: Kind = "given") -> list[Outcome]:
    """The same with a Valkey of its own for each point, which is killed there instead of the worker."""
    context, few = _forkserver(), asyncio.Semaphore(_AT_ONCE)

    async def tried(point: Point) -> tuple[Trial, Outcome]:
        data_dir = folder / f"valkey-{kind}-{point.number}-{point.side}"
        settings = read_settings(data_dir=data_dir)
        async with few, redis_connection(settings) as redis:
            trial = Trial(redis, data_dir, point, kind, data_dir)
            await trial.kill(context)
            return trial, await trial.outcome()

    clean, _ = await tried(Point(0, "before"))
    found = await asyncio.gather(*(tried(point) for point in _points(clean.commands, every)))
    return [outcome for _, outcome in found]
