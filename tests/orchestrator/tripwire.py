"""Kills a process before or after the n-th Redis command of a run, counted at the client."""

import asyncio
import json
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path
from typing import Any, Literal

from redis.asyncio import Redis

from orchestrator.agenda import ADD, CLAIM, REPLACE
from orchestrator.batched_redis import BatchedRedis
from orchestrator.claimed_run import GUARDED, INTERRUPT
from orchestrator.delivery_store import NOTE
from orchestrator.queue_scripts import DONE, PRUNE, PUT, TAKE, TOUCH

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
    }.items()
}


@dataclass(frozen=True, slots=True)
class Point:
    """Before or after the run's command `number`; 0 is never reached."""

    number: int
    side: Side


class Tripwire:
    """Counts the commands of a run at the client, and kills this process at one of them."""

    def __init__(self, point: Point, log: Path) -> None:
        self._point = point
        self._log = log
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
