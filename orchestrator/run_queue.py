"""The runs that wait: Redis Streams by priority, read by all workers of a tenant as one consumer group.

An entry that a worker has taken and not yet acknowledged is its lease. It is renewed by heartbeats; one that has not
been renewed for `LEASE_SECONDS` is taken by whoever looks next.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

from redis.asyncio import Redis

from orchestrator.keys import Keys
from orchestrator.queue_scripts import DONE, FORGET, PRUNE, PUT, REQUEUE, TAKE, TOUCH, WAKE
from orchestrator.redis_connection import redis_errors
from orchestrator.retention import DAY
from orchestrator.run import Priority, Run, Scheduling

LEASE_SECONDS = 3.0
_WAIT_MILLISECONDS = 500
_FORGET_WORKER_SECONDS = 3600
_LONG_OVER_SECONDS = 10 * LEASE_SECONDS
_PRIVATE = len(Priority) + 1


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to execute a run as long as it is renewed: an entry of a queue, delivered to this worker."""

    lane: str
    id: str
    entry: str

    @property
    def run_id(self) -> str:
        """The run that is leased."""
        return cast(str, json.loads(self.entry)["run"])


class RunQueue:
    """The queue as one worker sees it. All methods raise RedisUnavailableError.

    `announce` is awaited with a run's id before its entry goes: if the worker dies in between, the next one does it.
    """

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        worker: str,
        run_ttl_seconds: int,
        recent_seconds: int = DAY,
        announce: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        self.worker = worker
        self._announce = announce
        self._redis = redis
        self._keys = keys
        self._seen = dict.fromkeys(keys.lanes[:-1], "$")
        """By lane, the newest entry that there was when this worker looked last."""
        self._idempotency_seconds = min(recent_seconds, run_ttl_seconds)
        self._put = redis.register_script(PUT)
        self._take = redis.register_script(TAKE)
        self._done = redis.register_script(DONE)
        self._touch = redis.register_script(TOUCH)
        self._prune = redis.register_script(PRUNE)
        self._wake = redis.register_script(WAKE)
        self._forget = redis.register_script(FORGET)
        self._requeue = redis.register_script(REQUEUE)

    async def put(self, run: Run, scheduling: Scheduling, *, is_private: bool = False) -> tuple[str, Lease | None]:
        """List a run and let it wait for its turn, once; a private one is leased to this worker and never waits.

        Returns the run that holds: another one if the idempotency key was used before.
        """
        entry = _entry(run, is_private=is_private)
        keys = [*self._keys.lanes, self._keys.delayed, self._keys.runs]
        if scheduling.idempotency_key is not None:
            keys.append(self._keys.idempotency(scheduling.idempotency_key))
        delay = int(scheduling.delay_seconds * 1000)
        order = [entry, run.id, run.created.timestamp(), delay, self.worker, self._idempotency_seconds]
        async with redis_errors():
            run_id, lease_id = await self._put(keys=keys, args=order)
        return run_id, Lease(self._keys.lanes[-1], lease_id, entry) if lease_id else None

    async def requeue(self, run: Run) -> None:
        """Let a listed run wait for its turn again, whose entry is lost; the caller has seen that it has none."""
        entry = _entry(run, is_private=False)
        async with redis_errors():
            await self._requeue(keys=[self._keys.lanes[json.loads(entry)["lane"] - 1]], args=[entry])

    async def run_of(self, idempotency_key: str) -> str | None:
        """The run that a request with this key has made."""
        async with redis_errors():
            return cast(str | None, await self._redis.get(self._keys.idempotency(idempotency_key)))

    async def forget(self, idempotency_key: str, run_id: str) -> None:
        """Free a key whose run is gone, unless another run has it by now."""
        async with redis_errors():
            await self._forget(keys=[self._keys.idempotency(idempotency_key)], args=[run_id])

    async def take(self, count: int, held: list[Lease]) -> list[Lease]:
        """Up to `count` runs: first those whose lease is over, then by priority. Those in `held` stay as they are."""
        names = [lease.lane + lease.id for lease in held]
        arguments = [self.worker, count, int(LEASE_SECONDS * 1000), self._keys.concurrency, *names]
        async with redis_errors():
            reply = await self._take(keys=[*self._keys.lanes, self._keys.delayed], args=arguments)
        taken, newest = cast(tuple[list[tuple[str, str, str]], list[str]], reply)
        self._seen = dict(zip(self._keys.lanes[:-1], newest, strict=True))
        return [Lease(*entry) for entry in taken]

    async def wait(self) -> None:
        """Return when something was put into the queue since the last `take`, and after half a second anyway."""
        async with redis_errors():
            await self._redis.xread(cast(dict[Any, Any], self._seen), count=1, block=_WAIT_MILLISECONDS)

    async def done(self, lease: Lease) -> None:
        """The run has ended: its entry goes, and the next run of its concurrency key gets its place."""
        if self._announce is not None:
            await self._announce(lease.run_id)
        arguments = [lease.id, lease.entry, self._keys.concurrency]
        async with redis_errors():
            await self._done(keys=[lease.lane, *self._keys.lanes], args=arguments)

    async def set_aside(self, lease: Lease) -> None:
        """The run waits for a person: its entry leaves its lane until `wake`, and its concurrency key gets a place."""
        if self._announce is not None:
            await self._announce(lease.run_id)
        arguments = [lease.id, lease.entry, self._keys.concurrency]
        async with redis_errors():
            await self._done(keys=[lease.lane, *self._keys.lanes, self._keys.aside], args=arguments)

    async def aside(self) -> list[str]:
        """The runs whose entries are set aside."""
        async with redis_errors():
            return cast(list[str], await self._redis.hkeys(self._keys.aside))

    async def wake(self, run_id: str) -> None:
        """Let a run wait for its turn again, if it was set aside."""
        async with redis_errors():
            await self._wake(keys=[*self._keys.lanes, self._keys.aside], args=[run_id])

    async def hand_back(self, lease: Lease) -> None:
        """Let the next worker that looks have the run at once."""
        async with redis_errors():
            await self._touch(keys=[lease.lane], args=[self.worker, int(_LONG_OVER_SECONDS * 1000), lease.id])

    async def enter(self) -> None:
        """Forget workers that have been gone for long and have left nothing."""
        async with redis_errors():
            await self._prune(keys=self._keys.lanes, args=["", _FORGET_WORKER_SECONDS * 1000])

    async def leave(self) -> None:
        """Forget this worker if it has nothing left."""
        async with redis_errors():
            await self._prune(keys=self._keys.lanes, args=[self.worker, _FORGET_WORKER_SECONDS * 1000])


def _entry(run: Run, *, is_private: bool) -> str:
    lane = _PRIVATE if is_private else list(Priority).index(run.priority) + 1
    concurrency = {} if is_private else _concurrency(run)
    return json.dumps({"run": run.id, "lane": lane, **concurrency})


def _concurrency(run: Run) -> dict[str, str | int]:
    """Runs of a thread are executed one after another; no key of a user has a colon."""
    if run.thread_id is not None:
        return {"key": f"thread:{run.thread_id}", "limit": 1}
    return run.concurrency.model_dump() if run.concurrency else {}
