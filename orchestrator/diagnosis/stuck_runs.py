"""Runs that nobody will ever finish: live, and in no queue; or waiting for a person whom nobody has asked."""

import json
from collections.abc import Sequence
from typing import Any, cast

from redis.asyncio import Redis

from orchestrator.diagnosis.finding import Finding
from orchestrator.errors import RunNotFoundError, RunUnreadableError
from orchestrator.key_space import KeySpace, each, survey
from orchestrator.keys import run_id_of
from orchestrator.run import Run, RunStatus
from orchestrator.run_queue import RunQueue
from orchestrator.run_store import RunStore

_QUESTION = "question:"
"""How the fields of a record begin that have what a person is asked; without `given` it is open."""
_ENTRIES = {
    "stream": ("XRANGE", "-", "+"),
    "zset": ("ZRANGE", 0, -1),
    "list": ("LRANGE", 0, -1),
    "hash": ("HVALS",),
}


class StuckRuns:
    """Looks at one tenant. All methods raise RedisUnavailableError."""

    def __init__(self, redis: Redis, runs: RunStore, queue: RunQueue) -> None:
        self._redis, self._runs, self._queue = redis, runs, queue

    async def find(self, space: KeySpace) -> list[Finding]:
        """The runs of the look at all keys that are stuck now."""
        suspects = await self._live_and_unqueued(space.keys_of("run"), space)
        # a run that has ended, or was queued, parked or set aside, between the two looks is none
        stuck = await self._live_and_unqueued(suspects, await survey(self._redis, self._runs.keys)) if suspects else []
        found = [finding for key in stuck if (finding := await self._finding(cast(str, run_id_of(key))))]
        return found + await self._unasked(space.keys_of("run"))

    async def _live_and_unqueued(self, records: Sequence[str], space: KeySpace) -> list[str]:
        queued = await self._queued(space)
        states = await each(self._redis, [("HGET", key, "status") for key in records])
        # one with a time to live was refused while it was submitted, and is told so
        ttls = await each(self._redis, [("TTL", key) for key in records])
        live = {json.dumps(RunStatus.PENDING), json.dumps(RunStatus.RUNNING)}
        return [
            key
            for key, status, ttl in zip(records, states, ttls, strict=True)
            if status in live and ttl == -1 and run_id_of(key) not in queued
        ]

    async def _queued(self, space: KeySpace) -> set[str]:
        """All runs that have an entry: in a lane, delayed, parked or set aside."""
        places = {*space.keys_of("queue"), *(key for key in space.keys_of("concurrency") if key.endswith(":parked"))}
        places |= {*self._runs.keys.lanes, self._runs.keys.delayed, self._runs.keys.aside}
        types = await each(self._redis, [("TYPE", key) for key in places])
        readable = [(key, _ENTRIES[kind]) for key, kind in zip(places, types, strict=True) if kind in _ENTRIES]
        replies = await each(self._redis, [(command[0], key, *command[1:]) for key, command in readable])
        return {json.loads(text)["run"] for reply in replies for text in _texts(reply)}

    async def _finding(self, run_id: str) -> Finding | None:
        try:
            run = await self._runs.get(run_id)
        except RunNotFoundError:
            return None
        except RunUnreadableError as error:
            return Finding("runs", error.message, error.remedy)
        said = "running without a lease" if run.status is RunStatus.RUNNING else "pending in no queue"
        remedy = f"ccoe doctor --fix puts it into its queue; or end it: ccoe runs cancel {run_id}"
        return Finding("runs", f"run {run_id} is {said}", remedy, lambda: self._requeue(run))

    async def _requeue(self, run: Run) -> None:
        await self._queue.requeue(run)

    async def _unasked(self, records: Sequence[str]) -> list[Finding]:
        fields = await each(self._redis, [("HGETALL", key) for key in records])
        found: list[Finding] = []
        for key, record in zip(records, cast(list[dict[str, str]], fields), strict=True):
            if record.get("status") != json.dumps(RunStatus.INTERRUPTED):
                continue
            questions = [json.loads(text) for name, text in record.items() if name.startswith(_QUESTION)]
            if all(isinstance(question, dict) and question.get("given") for question in questions):
                run_id = run_id_of(key)
                message = f"run {run_id} waits for a person and has no open question"
                found.append(Finding("runs", message, f"end it, then resume it: ccoe runs cancel {run_id}"))
        return found


def _texts(reply: Any) -> list[str]:
    """The entries as JSON, of whatever type the key is."""
    return [item if isinstance(item, str) else item[1]["entry"] for item in reply]
