"""All keys of a tenant by kind, found with SCAN, and what they weigh."""

import re
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from redis.asyncio import Redis

from orchestrator.keys import Keys, Kind, kind_of, run_id_of, thread_id_of
from orchestrator.redis_connection import redis_errors

_AT_ONCE = 500
_SAMPLED_KEYS = 200
_TENANT = re.compile(r"ccoe:\{([a-z0-9_-]+)[/}]")


@dataclass(frozen=True, slots=True)
class Weight:
    """Keys of a kind and their memory."""

    num_keys: int
    num_bytes: int
    """Of a sample of them, taken for all."""


@dataclass(slots=True)
class KeySpace:
    """One look at all keys. Keys that name no tenant are everybody's."""

    by_kind: dict[Kind, list[str]] = field(default_factory=dict[Kind, list[str]])
    stray: list[str] = field(default_factory=list[str])
    """Keys of no kind."""

    @property
    def run_ids(self) -> set[str]:
        """The runs that have a record."""
        return {run_id for key in self.keys_of("run") if (run_id := run_id_of(key))}

    def keys_of(self, kind_name: str) -> list[str]:
        """The keys of a kind."""
        return [key for kind, keys in self.by_kind.items() if kind.name == kind_name for key in keys]

    def owned(self) -> list[tuple[str, str]]:
        """The other keys of runs and of threads, each with the id of the run or thread."""
        keys = [key for kind, found in self.by_kind.items() if kind.name != "run" for key in found]
        return [(owner, key) for key in keys if (owner := run_id_of(key) or thread_id_of(key))]


async def survey(redis: Redis, keys: Keys) -> KeySpace:
    """Look at all keys of the tenant. Raises RedisUnavailableError."""
    found = KeySpace()
    cursor = 0
    while True:
        async with redis_errors():
            cursor, names = await redis.scan(cursor, match="ccoe:*", count=_AT_ONCE * 2)
        for key in cast(list[str], names):
            tenant = _TENANT.match(key)
            if tenant and tenant[1] != keys.tenant:
                continue
            kind = kind_of(key)
            (found.by_kind.setdefault(kind, []) if kind else found.stray).append(key)
        if not int(cursor):
            return found


async def each(redis: Redis, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
    """The replies to many commands, none in a transaction. Raises RedisUnavailableError."""
    replies: list[Any] = []
    for start in range(0, len(commands), _AT_ONCE):
        async with redis_errors(), redis.pipeline(transaction=False) as pipeline:
            for command in commands[start : start + _AT_ONCE]:
                cast(Awaitable[Any], pipeline.execute_command(*command))
            replies += await pipeline.execute()
    return replies


async def weight(redis: Redis, keys: Sequence[str]) -> Weight:
    """What keys weigh together, by a sample of them. Raises RedisUnavailableError."""
    sample = keys[:: max(1, len(keys) // _SAMPLED_KEYS)]
    sizes = await each(redis, [("MEMORY", "USAGE", key) for key in sample])
    num_bytes = sum(size or 0 for size in sizes)
    return Weight(len(keys), round(num_bytes * len(keys) / len(sample)) if sample else 0)


async def streams(redis: Redis, keys: Sequence[str]) -> list[str]:
    """Those of the keys that are streams. Raises RedisUnavailableError."""
    types = await each(redis, [("TYPE", key) for key in keys])
    return [key for key, type_name in zip(keys, types, strict=True) if type_name == "stream"]
