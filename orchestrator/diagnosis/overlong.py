"""Traces that have grown too long, lanes in which too much waits, and leases that nobody renews or takes."""

from datetime import timedelta
from typing import Any, cast

from redis.asyncio import Redis

from orchestrator.diagnosis.finding import Finding
from orchestrator.key_space import KeySpace, each, streams
from orchestrator.keys import run_id_of
from orchestrator.redis_connection import redis_errors
from orchestrator.run_queue import LEASE_SECONDS

MAX_WAITING = 1000
MAX_WAIT = timedelta(hours=1)
_ABANDONED_SECONDS = 10 * LEASE_SECONDS
_WORKERS_REMEDY = "start more services of this tenant, or raise CCOE_MAX_CONCURRENT_RUNS"


async def long_traces(redis: Redis, space: KeySpace, max_entries: int) -> list[Finding]:
    """Traces of twice the length from which on text is left out. Raises RedisUnavailableError."""
    traces = space.keys_of("events")
    lengths = cast(list[int], await each(redis, [("XLEN", key) for key in traces]))
    remedy = "lower CCOE_MAX_TRACE_ENTRIES for new runs; this one leaves with its run"
    return [
        Finding("runs", f"the trace of run {run_id_of(key)} has {length:,} entries", remedy)
        for key, length in zip(traces, lengths, strict=True)
        if length > 2 * max_entries
    ]


async def long_lanes(redis: Redis, space: KeySpace) -> list[Finding]:
    """Lanes with too many runs, or one that waits too long. Raises RedisUnavailableError."""
    found: list[Finding] = []
    for lane in await streams(redis, space.keys_of("queue")):
        async with redis_errors():
            pending = await redis.xpending(lane, "workers")
            last = f"({pending['max']}" if pending["max"] else "-"
            first = cast(list[tuple[str, Any]], await redis.xrange(lane, min=last, count=1))
            abandoned = await redis.xpending_range(
                lane, "workers", "-", "+", MAX_WAITING, idle=int(_ABANDONED_SECONDS * 1000)
            )
            num_waiting = await redis.xlen(lane) - pending["pending"]
            now = (await redis.time())[0]
        waited = timedelta(seconds=now - int(first[0][0].split("-")[0]) / 1000) if first else timedelta()
        if num_waiting > MAX_WAITING or waited > MAX_WAIT:
            hours = f"{waited.total_seconds() / 3600:.1f} hours"
            found.append(Finding("queue", f"{num_waiting:,} runs wait in {lane}, one for {hours}", _WORKERS_REMEDY))
        if abandoned:
            message = f"{len(abandoned)} runs in {lane} have lost their worker, and no other one takes them"
            found.append(Finding("queue", message, "start a service of this tenant: ccoe serve"))
    return found
