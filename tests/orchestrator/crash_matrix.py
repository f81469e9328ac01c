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
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha1
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any, Literal

from redis.asyncio import Redis

from graphs.events import StepFinished, StepPlanned
from orchestrator.claimed_run import DRAFT_FIELDS, GUARDED
from orchestrator.expert_host import OpenExperts
from orchestrator.keys import Keys
from orchestrator.queue_scripts import DONE, PRUNE, PUT, TAKE, TOUCH
from orchestrator.run import Scheduling
from orchestrator.run_queue import RunQueue
from orchestrator.run_store import RunStore
from orchestrator.service import Service
from orchestrator.settings import Settings, read_settings
from orchestrator.step_memo import step_of
from orchestrator.trace_store import TraceStore
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
TASK = "say 1. say 2. say 3 then that. say 4 then that."
"""What the planner writes that plan for."""
_TEXTS = {1: "say 1", 2: "say 2", 3: "say 3 then 1", 4: "say 4 then 2", 5: "say 3 then 1 and 4 then 2"}
"""The steps as they stand in the ledger, results filled in."""
_SCRIPTS = {
    sha1(script.encode(), usedforsecurity=False).hexdigest(): name
    for name, script in {
        "write": GUARDED,
        "take": TAKE,
        "put": PUT,
        "done": DONE,
        "touch": TOUCH,
        "prune": PRUNE,
    }.items()
}
_AT_ONCE = 6
_RESCUED_AT_ONCE = 40
"""Each has connections of its own."""
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
    """Steps that were done, or of a plan that were written, again though they were committed."""

    @property
    def is_right(self) -> bool:
        """Nothing was lost, nothing was done twice, and the run has ended well."""
        return self.status == "success" and not self.lost + self.committed_twice + self.done_again


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
        return None if script in ("prune", "touch") else script
    commands = json.loads(command[-1])
    return "write " + ", ".join(dict.fromkeys(str(each[0]).lower() for each in commands)) if commands else None


def open_experts(ledger: Path, *, is_planned: bool) -> OpenExperts:
    """Those of a victim and of who goes on."""
    return open_ledger_experts(ledger, 0.01, [(str(step["text"]), str(step["expert"])) for step in PLAN] * is_planned)


def victim(settings: Settings, ledger: Path, log: Path, point: Point, is_planned: bool) -> None:
    """The process that is killed, or finishes the run if the point is not reached."""
    tripwire = Tripwire(point, log)

    async def execute_command(redis: Redis, *command: Any, **options: Any) -> Any:
        return await tripwire.execute_command(redis, *command, **options)

    async def work() -> None:
        async with Service.open(settings, open_experts(ledger, is_planned=is_planned)):
            await tripwire.is_done.wait()

    Redis.execute_command = execute_command  # type: ignore[method-assign]
    asyncio.run(work())


class Trial:
    """One run, its victim, and what is left of both."""

    def __init__(self, redis: Redis, folder: Path, point: Point, *, is_planned: bool = False) -> None:
        name = f"{'planned-' * is_planned}{point.number}-{point.side}"
        self.settings = read_settings(tenant=name, speculate=True)
        self.ledger = folder / f"{name}.ledger"
        self._is_planned = is_planned
        self._log = folder / f"{name}.log"
        self._point = point
        self._runs = RunStore(redis, Keys(name), 3600)
        self._traces = TraceStore(redis, self._runs)
        self._queue = RunQueue(redis, Keys(name), "nobody", 3600)
        self._was_killed = False
        self._committed: dict[str, int] = {}

    async def kill(self, context: ForkServerContext) -> None:
        """Let the victim begin the run and die."""
        given = a_run(is_plan_given=True, plan={"steps": PLAN})
        self._run = await kept(self._runs, a_run(TASK) if self._is_planned else given)
        await self._queue.put(self._run, Scheduling())
        victims = (self.settings, self.ledger, self._log, self._point, self._is_planned)
        process = context.Process(target=victim, args=victims)
        process.start()
        await asyncio.to_thread(process.join)
        self._was_killed = process.exitcode == -signal.SIGKILL
        done = executions(self.ledger)
        self._committed = {line: done[line] for line in await self._lines_in_memo()}

    async def outcome(self) -> Outcome:
        """When the run has ended, or after a while if it does not."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._traces.until_ended(self._run.id)
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
            lost=sum(1 for k in _TEXTS if not done[self._line(k)] or k not in run.steps),
            committed_twice=sum(times - 1 for counted in (in_memo, finished, written) for times in counted.values()),
            done_again=sum(done[line] - times for line, times in self._committed.items()),
        )

    @property
    def commands(self) -> list[str]:
        """What the victim has sent, in words."""
        return self._log.read_text().splitlines()

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
        return [*map(self._line, await self._steps_in_memo()), *(f"{self._run.task}|{piece}" for piece in pieces)]

    def _line(self, step: int) -> str:
        return f"{self._run.task}|{_TEXTS[step]}"


async def crash_matrix(redis: Redis, folder: Path, every: int = 1, *, is_planned: bool = False) -> list[Outcome]:
    """Every `every`-th point of the matrix. The settings of the environment name the Redis.

    The run has its plan, or is planned, in two drafts.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    for warm_up in ("before", "after"):  # the second one finds all scripts loaded
        clean = Trial(redis, folder, Point(0, warm_up), is_planned=is_planned)
        await clean.kill(context)
    numbers = range(1, len(clean.commands) + 1)
    points = [Point(number, side) for number in numbers for side in ("before", "after")][::every]
    trials = [Trial(redis, folder, point, is_planned=is_planned) for point in points]
    few = asyncio.Semaphore(_AT_ONCE)

    async def killed(trial: Trial) -> None:
        async with few:
            await trial.kill(context)

    await asyncio.gather(*(killed(trial) for trial in trials))
    many = asyncio.Semaphore(_RESCUED_AT_ONCE)

    async def rescued(trial: Trial) -> Outcome:
        async with many, Service.open(trial.settings, open_experts(trial.ledger, is_planned=is_planned)):
            return await trial.outcome()

    return list(await asyncio.gather(*(rescued(trial) for trial in trials)))
