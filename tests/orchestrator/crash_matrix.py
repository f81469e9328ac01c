"""Kills the worker before and after each Redis command of a run, and counts what was lost or done twice.

A clean run is counted first. Then, for every command, a run of its own (in a tenant of its own) is begun by a process
that kills itself with SIGKILL there; another worker finds what it left. What was really done is in a ledger, a file.
"""

import asyncio
import json
import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from hashlib import sha1
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any, Literal

from redis.asyncio import Redis

from graphs.events import StepFinished
from graphs.person import PersonAnswer
from orchestrator.agenda import ADD, CLAIM, REPLACE
from orchestrator.answer_store import AnswerStore
from orchestrator.claimed_run import GUARDED, INTERRUPT
from orchestrator.delivery_store import DeliveryStore
from orchestrator.keys import Keys
from orchestrator.queue_scripts import DONE, PRUNE, PUT, TAKE, TOUCH
from orchestrator.run import Scheduling
from orchestrator.run_queue import RunQueue
from orchestrator.run_store import RunStore
from orchestrator.service import Service
from orchestrator.settings import Settings, read_settings
from orchestrator.step_memo import step_of
from orchestrator.trace_store import TraceStore
from tests.orchestrator.conditions import until
from tests.orchestrator.ledger_experts import executions, open_ledger_experts
from tests.orchestrator.records import a_run, kept

Side = Literal["before", "after"]
PLAN = [
    {"id": 1, "text": "say 1", "expert": "math"},
    {"id": 2, "text": "say 2", "expert": "math"},
    {"id": 3, "text": "say 3 then #1", "expert": "math"},
    {"id": 4, "text": "say 4 then #2", "expert": "math"},
    {"id": 5, "text": "say #3 and #4", "expert": "general"},
]
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
_SCRIPTS = {
    sha1(script.encode(), usedforsecurity=False).hexdigest(): name
    for name, script in {
        "write": GUARDED,
        "interrupt": INTERRUPT,
        "take": TAKE,
        "put": PUT,
        "done": DONE,
        "touch": TOUCH,
        "prune": PRUNE,
        "tell": ADD,
        "look": CLAIM,
        "replace": REPLACE,
    }.items()
}
_AT_ONCE = 6
_PATIENCE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Point:
    """Before or after the run's command `number`; 0 is never reached."""

    number: int
    side: Side


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
    """Steps that were done again though they were committed."""
    is_told: bool
    """Its webhook is to be told of its end."""

    @property
    def is_right(self) -> bool:
        """Nothing was lost, nothing was done twice, and the run has ended well."""
        is_whole = self.status == "success" and self.is_told
        return is_whole and not self.lost + self.committed_twice + self.done_again


class Tripwire:
    """Counts the commands of a run at the client, and kills this process at one of them."""

    def __init__(self, point: Point, log: Path) -> None:
        self._point = point
        self._log = log
        self._number = 0
        self.is_done = asyncio.Event()
        self._send: Any = Redis.execute_command

    async def execute_command(self, redis: Redis, *command: Any, **options: Any) -> Any:
        """Stands in for Redis.execute_command."""
        name = name_of(command)
        if name is None:
            return await self._send(redis, *command, **options)
        if name == "take":  # counts if it brings a run
            reply = await self._send(redis, *command, **options)
            if reply:
                self._pass(name, "before")
                self._trip("after")
            return reply
        self._pass(name, "before")
        reply = await self._send(redis, *command, **options)
        self._trip("after")
        if name == "done":
            self.is_done.set()
        return reply

    def _pass(self, name: str, side: Side) -> None:
        self._number += 1
        with self._log.open("a") as log:
            log.write(f"{name}\n")
        self._trip(side)

    def _trip(self, side: Side) -> None:
        if self._point == Point(self._number, side):
            os.kill(os.getpid(), signal.SIGKILL)


def name_of(command: Sequence[Any]) -> str | None:
    """The command in words; None for those that belong to no run: polls, looks at the record, the housekeeping."""
    verb = str(command[0]).upper()
    if verb in ("PING", "XREAD", "SCRIPT LOAD"):
        return None
    if verb != "EVALSHA":
        return verb.lower()
    script = _SCRIPTS.get(str(command[1]), "claim")
    if script != "write":
        return None if script in ("prune", "touch", "look", "replace") else script
    commands = json.loads(command[-1])
    return "write " + ", ".join(dict.fromkeys(str(each[0]).lower() for each in commands)) if commands else None


def victim(settings: Settings, ledger: Path, log: Path, point: Point) -> None:
    """The process that is killed, or finishes the run if the point is not reached."""
    tripwire = Tripwire(point, log)

    async def execute_command(redis: Redis, *command: Any, **options: Any) -> Any:
        return await tripwire.execute_command(redis, *command, **options)

    async def work() -> None:
        async with Service.open(settings, open_ledger_experts(ledger, 0.01)):
            await tripwire.is_done.wait()

    Redis.execute_command = execute_command  # type: ignore[method-assign]
    asyncio.run(work())


class Trial:
    """One run, its victim, and what is left of both."""

    def __init__(self, redis: Redis, folder: Path, point: Point, *, waits: bool = False) -> None:
        name = f"{point.number}-{point.side}"
        self._waits, self._plan = waits, WAITING_PLAN if waits else PLAN
        self._texts = _WAITING_TEXTS if waits else _TEXTS
        self.settings = read_settings(tenant=name)
        self.ledger = folder / f"{name}.ledger"
        self._log = folder / f"{name}.log"
        self._point = point
        self._runs = RunStore(redis, Keys(name), 3600)
        self._traces = TraceStore(redis, self._runs)
        self._queue = RunQueue(redis, Keys(name), "nobody", 3600)
        self._deliveries = DeliveryStore(redis, Keys(name), self.settings)
        self._answers = AnswerStore(redis, self._runs, self._queue)
        self._was_killed = False
        self._committed: dict[int, int] = {}

    async def kill(self, context: ForkServerContext) -> None:
        """Let the victim begin the run and die."""
        self._run = await kept(self._runs, a_run(is_plan_given=True, plan={"steps": self._plan}, webhook=WEBHOOK))
        await self._queue.put(self._run, Scheduling())
        process = context.Process(target=victim, args=(self.settings, self.ledger, self._log, self._point))
        process.start()
        await asyncio.to_thread(process.join)
        self._was_killed = process.exitcode == -signal.SIGKILL
        done = executions(self.ledger)
        self._committed = {step: self._times(done, step) for step in await self._steps_in_memo()}

    async def outcome(self) -> Outcome:
        """When the run has ended, or after a while if it does not."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_SECONDS):
                if self._waits:
                    await self._answer()
                await self._traces.until_ended(self._run.id)
                await until(self._is_told, "the webhook is told", _PATIENCE_SECONDS)
        run = await self._runs.get(self._run.id)
        done = executions(self.ledger)
        in_memo = await self._steps_in_memo()
        events = [entry.event for entry in await self._traces.read(run.id)]
        finished = Counter(event.result.id for event in events if isinstance(event, StepFinished))
        return Outcome(
            point=self._point,
            command=self.commands[-1] if self.commands else "",
            was_killed=self._was_killed,
            status=run.status,
            lost=sum(1 for k in self._texts if not self._times(done, k) or k not in run.steps),
            committed_twice=sum(times - 1 for counted in (in_memo, finished) for times in counted.values()),
            done_again=sum(self._times(done, step) - times for step, times in self._committed.items()),
            is_told=await self._is_told(),
        )

    async def _answer(self) -> None:
        """As soon as nobody holds the run."""

        async def is_interrupted() -> bool:
            return await self._runs.is_interrupted(self._run.id)

        await until(is_interrupted, "the run waits for a person", _PATIENCE_SECONDS)
        await self._answers.answer(self._run.id, 2, PersonAnswer(decision="approve"), "ana")

    @property
    def commands(self) -> list[str]:
        """What the victim has sent, in words."""
        return self._log.read_text().splitlines()

    async def _is_told(self) -> bool:
        return [delivery.run_id for delivery in await self._deliveries.latest(10)] == [self._run.id]

    async def _steps_in_memo(self) -> Counter[int]:
        steps = map(step_of, await self._runs.memo(self._run.id))
        return Counter(step for step in steps if step is not None)

    def _times(self, done: Counter[str], step: int) -> int:
        return done[f"{self._run.task}|{self._texts[step]}"] if step in self._texts else 0


async def crash_matrix(redis: Redis, folder: Path, every: int = 1, *, waits: bool = False) -> list[Outcome]:
    """Every `every`-th point of the matrix, of a run that waits for a person or of another.

    The settings of the environment name the Redis.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    for warm_up in ("before", "after"):  # the second one finds all scripts loaded
        clean = Trial(redis, folder, Point(0, warm_up), waits=waits)
        await clean.kill(context)
    numbers = range(1, len(clean.commands) + 1)
    points = [Point(number, side) for number in numbers for side in ("before", "after")][::every]
    trials = [Trial(redis, folder, point, waits=waits) for point in points]
    few = asyncio.Semaphore(_AT_ONCE)

    async def killed(trial: Trial) -> None:
        async with few:
            await trial.kill(context)

    await asyncio.gather(*(killed(trial) for trial in trials))
    async with AsyncExitStack() as rescuers:
        for trial in trials:
            await rescuers.enter_async_context(Service.open(trial.settings, open_ledger_experts(trial.ledger, 0.01)))
        return list(await asyncio.gather(*(trial.outcome() for trial in trials)))
