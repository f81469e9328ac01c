"""What is left behind in Redis and needed by nobody: found without changing anything, and removed if it is told to."""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from redis.asyncio import Redis

from orchestrator.key_space import KeySpace, each, streams, survey, weight
from orchestrator.keys import Keys, run_id_of, thread_id_of
from orchestrator.redis_connection import redis_errors
from orchestrator.run import RunStatus

IDLE_WORKER_SECONDS = 3600
_TERMINAL = {json.dumps(status) for status in RunStatus if status.is_terminal}

# KEYS: a run's record, a key of the same run. Only while there is no record: it may have come since.
_REMOVE_ORPHAN = "if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end return redis.call('UNLINK', KEYS[2])"


@dataclass(frozen=True, slots=True)
class Leftover:
    """Things of one sort that nobody needs."""

    what: str
    names: Sequence[str]
    num_bytes: int
    remove: Callable[[], Awaitable[object]]


class Leftovers:
    """Looks at one tenant. All methods raise RedisUnavailableError."""

    def __init__(self, redis: Redis, keys: Keys, run_ttl_seconds: int) -> None:
        self._redis = redis
        self._keys = keys
        self._run_ttl_seconds = run_ttl_seconds

    async def find(self, space: KeySpace | None = None) -> list[Leftover]:
        """What there is, the sorts of which there is something."""
        space = space or await survey(self._redis, self._keys)
        found = [
            await self._stray(space),
            *await self._orphans(space),
            await self._overdue(space),
            await self._unlisted(space),
            await self._gone_workers(space),
        ]
        return [leftover for leftover in found if leftover.names]

    async def cached_steps(self) -> Leftover:
        """What the cache of steps has; it is no leftover by itself, and without it runs only cost more."""
        kept = (await survey(self._redis, self._keys)).keys_of("step_cache")
        return await self._keys_of("results in the cache of steps", kept, [("UNLINK", key) for key in kept])

    async def _stray(self, space: KeySpace) -> Leftover:
        return await self._keys_of("keys of no class", space.stray, [("UNLINK", key) for key in space.stray])

    async def _orphans(self, space: KeySpace) -> list[Leftover]:
        """What belongs to a run without a record. A thread that no run has is kept as long as its time to live."""
        run_ids = space.run_ids
        orphans = [(owner, key) for owner, key in space.owned() if owner not in run_ids]
        ttls = await each(self._redis, [("TTL", key) for _, key in orphans])
        threads = [pair for pair, ttl in zip(orphans, ttls, strict=True) if thread_id_of(pair[1]) and ttl == -1]
        others = [pair for pair in orphans if run_id_of(pair[1])]
        found: list[Leftover] = []
        for what, pairs in (
            ("traces, results and memos without a run", others),
            ("checkpoints without a run", threads),
        ):
            removals = [("EVAL", _REMOVE_ORPHAN, 2, self._keys.run(owner), key) for owner, key in pairs]
            found.append(await self._keys_of(what, [key for _, key in pairs], removals))
        return found

    async def _overdue(self, space: KeySpace) -> Leftover:
        """Keys of ended runs that have no time to live: they get what is left of it, or go if it is over."""
        records = space.keys_of("run")
        fields = await each(self._redis, [("HMGET", key, "status", "finished") for key in records])
        ended = {run_id_of(key): at for key, (status, at) in zip(records, fields, strict=True) if status in _TERMINAL}
        owned = [*((run_id_of(key), key) for key in records), *space.owned()]
        candidates = [(ended[owner], key) for owner, key in owned if owner in ended]
        ttls = await each(self._redis, [("TTL", key) for _, key in candidates])
        kept = [pair for pair, ttl in zip(candidates, ttls, strict=True) if ttl == -1]
        removals = [("EXPIRE", key, max(0, self._seconds_left(at))) for at, key in kept]
        return await self._keys_of("keys of ended runs that would never expire", [key for _, key in kept], removals)

    async def _unlisted(self, space: KeySpace) -> Leftover:
        """Entries of the list of runs whose records are gone."""
        (listed,) = await each(self._redis, [("ZRANGE", self._keys.runs, 0, -1)])
        known = space.run_ids
        suspects = [run_id for run_id in listed if run_id not in known]
        records = await each(self._redis, [("EXISTS", self._keys.run(run_id)) for run_id in suspects])
        gone = [run_id for run_id, exists in zip(suspects, records, strict=True) if not exists]
        removals = [("ZREM", self._keys.runs, run_id) for run_id in gone]
        return Leftover("entries of expired runs in the list", gone, 0, lambda: each(self._redis, removals))

    async def _gone_workers(self, space: KeySpace) -> Leftover:
        """Workers that have nothing in hand and have not been heard of for an hour."""
        names: list[str] = []
        removals: list[tuple[Any, ...]] = []
        for lane in await streams(self._redis, space.keys_of("queue")):
            async with redis_errors():
                workers: list[dict[str, Any]] = await self._redis.xinfo_consumers(lane, "workers")
            for worker in workers:
                if worker["pending"] == 0 and worker["idle"] > IDLE_WORKER_SECONDS * 1000:
                    names.append(f"{worker['name']} in {lane}")
                    removals.append(("XGROUP", "DELCONSUMER", lane, "workers", worker["name"]))
        return Leftover("workers that are gone", names, 0, lambda: each(self._redis, removals))

    async def _keys_of(self, what: str, keys: Sequence[str], removals: Sequence[tuple[Any, ...]]) -> Leftover:
        return Leftover(what, keys, (await weight(self._redis, keys)).num_bytes, lambda: each(self._redis, removals))

    def _seconds_left(self, finished: str | None) -> int:
        at = json.loads(finished or "null")
        if at is None:
            return self._run_ttl_seconds
        return self._run_ttl_seconds - int((datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds())
