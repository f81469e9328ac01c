"""Whether Redis is set up so that nothing committed is lost. Reads INFO, as managed ones forbid CONFIG."""

import re
from collections.abc import Mapping
from typing import Any

from redis.asyncio import Redis

from orchestrator.diagnosis.finding import Finding
from orchestrator.redis_connection import redis_errors

OLDEST = (7, 0)
_FULL = 0.9


async def redis_info(redis: Redis) -> dict[str, Any]:
    """What the server says of itself. Raises RedisUnavailableError."""
    async with redis_errors():
        return await redis.info()


def faults(info: Mapping[str, Any]) -> list[Finding]:
    """What is wrong with its version and configuration."""
    found: list[Finding] = []
    version = str(info.get("redis_version", "0"))
    if tuple(int(number) for number in re.findall(r"\d+", version)[:2]) < OLDEST:
        found.append(Finding("redis", f"version {version} is too old", "use Redis 7.0 or newer, or Valkey"))
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        message = f"maxmemory-policy is {policy}: runs that go on may be evicted"
        found.append(Finding("redis", message, "set maxmemory-policy noeviction; runs leave by their time to live"))
    if not info.get("aof_enabled", 1):
        found.append(Finding("redis", "appendonly is off: a crash loses runs", "set appendonly yes"))
    if info.get("aof_last_write_status", "ok") != "ok":
        found.append(Finding("redis", "the last write to its disk failed", "make room on its disk, and see its log"))
    if info.get("role") == "slave":
        found.append(Finding("redis", "it is a read-only replica", "let REDIS_URL name the primary"))
    limit, used = int(info.get("maxmemory", 0)), int(info.get("used_memory", 0))
    if limit and used > _FULL * limit:
        message = f"{used / limit:.0%} of its memory are used: writes are refused when it is full"
        found.append(Finding("redis", message, "raise its maxmemory, shorten CCOE_RETENTION, or look at ccoe gc"))
    return found
