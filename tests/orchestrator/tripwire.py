"""Kills the worker or its Valkey before or after the n-th Redis command of a run, counted at the client."""

import asyncio
import json
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path
from typing import Any, Literal

from redis.asyncio import Redis

from orchestrator.agenda import ADD, CLAIM, REPLACE
from orchestrator.batched_redis import BatchedRedis
from orchestrator.checkpoint_scripts import PUT as PUT_CHECKPOINT
from orchestrator.checkpoint_scripts import PUT_WRITES
from orchestrator.claimed_run import GUARDED, INTERRUPT
from orchestrator.delivery_store import NOTE
from orchestrator.queue_scripts import DONE, PRUNE, PUT, TAKE, TOUCH
from orchestrator.step_memo import step_of
from tests.orchestrator.ledger_experts import note

Side = Literal["before", "after"]
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
        "note": NOTE,
        "look": CLAIM,
        "replace": REPLACE,
        "checkpoint": PUT_CHECKPOINT.text,
        "checkpoint writes": PUT_WRITES.text,
    }.items()
}


@dataclass(frozen=True, slots=True)
class Point:
    """Before or after the run's command `number`; 0 is never reached."""

    number: int
    side: Side


class Tripwire:
    """Counts the commands of a run at the client, and kills a process, by default its own, at one of them."""

    def __init__(self, point: Point, log: Path, ledger: Path, pid: Callable[[], int] = os.getpid) -> None:
        self._point = point
        self._log = log
        self._ledger = ledger
        self._pid = pid
        self._number = 0
        self.is_done = asyncio.Event()
        self._send: Any = BatchedRedis.execute_command

    async def execute_command(self, redis: Redis, *command: Any, **options: Any) -> Any:
        """Stands in for BatchedRedis.execute_command."""
        name = name_of(command)
        if name is None:
            return await self._send(redis, *command, **options)
        if name == "take":  # counts if it brings a run
            reply = await self._send(redis, *command, **options)
            taken, _ = reply
            if taken:
                self._pass(name, "before")
                self._trip("after")
            return reply
        self._pass(name, "before")
        reply = await self._send(redis, *command, **options)
        for step in committed(command) if reply == "written" else ():
            note(self._ledger, committed_line(step))
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
            os.kill(self._pid(), signal.SIGKILL)


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
    commands = _written(command)
    return "write " + ", ".join(dict.fromkeys(str(each[0]).lower() for each in commands)) if commands else None


def committed_line(step: int) -> str:
    """What the ledger says when Redis has acknowledged a step's result."""
    return f"committed|{step}"


def committed(command: Sequence[Any]) -> list[int]:
    """The steps whose results a command commits."""
    if name_of(command) is None or _SCRIPTS.get(str(command[1])) != "write":
        return []
    fields = [str(each[2]) for each in _written(command) if str(each[0]).upper() == "HSETNX"]
    return [step for field in fields if (step := step_of(field)) is not None]


def _written(command: Sequence[Any]) -> list[list[Any]]:
    return json.loads(command[-1])
