"""Records in Redis, each with the time when somebody has to look at it: schedules, deliveries of webhooks.

A hash has the records as JSON, a sorted set their ids by that time in milliseconds. Whoever claims what is due moves
its time on by a lease: if nothing comes of it, it is due again then.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar, cast

from pydantic import BaseModel, ValidationError
from redis.asyncio import Redis

from orchestrator.redis_connection import redis_errors

Kept = TypeVar("Kept", bound=BaseModel)
Clock = Callable[[], datetime]
"""What time it is, in UTC."""
_LOG = logging.getLogger(__name__)

# KEYS: records, due. ARGV: id, record, when to look at it or ''. Returns whether it is new.
ADD = """
if redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end
if ARGV[3] ~= '' then redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1]) end
return 1
"""

# KEYS: records, due. ARGV: now, end of the lease, how many. Returns id, record, id, record, ...
CLAIM = """
local claimed = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])) do
  local record = redis.call('HGET', KEYS[1], id)
  if record then
    redis.call('ZADD', KEYS[2], ARGV[2], id)
    table.insert(claimed, id)
    table.insert(claimed, record)
  else
    redis.call('ZREM', KEYS[2], id)
  end
end
return claimed
"""

# KEYS: records, due. ARGV: id, record as it was, as it is to be or '', when to look at it or ''.
# A repeated call (its reply was lost) finds what it has written, and counts as done.
REPLACE = """
local found = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if found ~= ARGV[2] and found ~= ARGV[3] then return 0 end
if ARGV[3] == '' then redis.call('HDEL', KEYS[1], ARGV[1]) else redis.call('HSET', KEYS[1], ARGV[1], ARGV[3]) end
if ARGV[3] == '' or ARGV[4] == '' then
  redis.call('ZREM', KEYS[2], ARGV[1])
else
  redis.call('ZADD', KEYS[2], ARGV[4], ARGV[1])
end
return 1
"""


class Agenda:
    """The records of one kind and tenant. All methods raise RedisUnavailableError."""

    def __init__(self, redis: Redis, keys: tuple[str, str]) -> None:
        self._redis = redis
        self._records, self._due = keys
        self._add = redis.register_script(ADD)
        self._claim = redis.register_script(CLAIM)
        self._replace = redis.register_script(REPLACE)

    async def add(self, id: str, record: str, due: datetime | None) -> bool:
        """Keep a record; one that is there stays as it is. Returns whether it is new."""
        async with redis_errors():
            return bool(await self._add(keys=[self._records, self._due], args=[id, record, _milliseconds(due)]))

    async def claim(self, now: datetime, until: datetime, count: int) -> list[tuple[str, str]]:
        """Up to `count` ids and records that are due, for nobody else before `until`."""
        arguments = [_milliseconds(now), _milliseconds(until), count]
        async with redis_errors():
            found = cast(list[str], await self._claim(keys=[self._records, self._due], args=arguments))
        return list(zip(found[::2], found[1::2], strict=True))

    async def replace(self, id: str, record: str, new: str | None, due: datetime | None = None) -> bool:
        """Put a new record, or nothing, in the place of one. Returns False, and changes nothing, if it is another."""
        arguments = [id, record, new or "", _milliseconds(due)]
        async with redis_errors():
            return bool(await self._replace(keys=[self._records, self._due], args=arguments))

    async def get(self, id: str) -> str | None:
        """A record."""
        async with redis_errors():
            return cast(str | None, await self._redis.hget(self._records, id))

    async def all(self) -> list[str]:
        """All records, in no order."""
        async with redis_errors():
            return cast(list[str], await self._redis.hvals(self._records))

    async def latest(self, limit: int) -> list[str]:
        """Records that somebody has to look at, the one that has most time in front."""
        async with redis_errors():
            ids = cast(list[str], await self._redis.zrevrange(self._due, 0, limit - 1))
            found = cast(list[str | None], await self._redis.hmget(self._records, ids)) if ids else []
        return [record for record in found if record is not None]


def readable(kind: type[Kept], record: str) -> Kept | None:
    """A record; None, and a line in the log, for what another version has written."""
    try:
        return kind.model_validate_json(record)
    except ValidationError as error:
        # without what is there: it may be a secret
        faults = "; ".join(f"{fault['loc']}: {fault['msg']}" for fault in error.errors(include_input=False))
        _LOG.warning("a %s cannot be read by this version: %s", kind.__name__.lower(), faults)
        return None


def utc_now() -> datetime:
    """The Clock of the machine."""
    return datetime.now(UTC)


def _milliseconds(moment: datetime | None) -> str:
    return "" if moment is None else str(int(moment.timestamp() * 1000))
