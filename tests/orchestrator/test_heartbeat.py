"""Leases are renewed from a thread of its own: a blocked loop loses nothing, and nothing is taken back from others."""

import time
from collections.abc import Callable

import pytest
from redis.asyncio import Redis

from orchestrator.heartbeat import Heartbeat
from orchestrator.redis_connection import redis_url
from orchestrator.run import Scheduling
from orchestrator.run_queue import LEASE_SECONDS, Lease, RunQueue
from orchestrator.settings import Settings
from tests.orchestrator.conditions import until
from tests.orchestrator.records import a_run

pytestmark = pytest.mark.usefixtures("server")


@pytest.fixture
async def lease(queue: RunQueue) -> Lease:
    await queue.put(a_run(), Scheduling())
    (taken,) = await queue.take(1, [])
    return taken


async def idle_seconds(redis: Redis, lease: Lease) -> float:
    (pending,) = await redis.xpending_range(lease.lane, "workers", "-", "+", 1)
    return float(pending["time_since_delivered"]) / 1000


def wait(seconds: float) -> None:
    """As for a disk."""
    time.sleep(seconds)


def compute(seconds: float) -> None:
    """Python code that lets no other thread run of its own accord, as imports do."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


@pytest.mark.parametrize("block", [wait, compute])
async def test_a_blocked_loop_loses_no_lease(
    settings: Settings, redis: Redis, other_queue: RunQueue, lease: Lease, block: Callable[[float], None]
) -> None:
    """The loading of a model does both."""
    with Heartbeat(redis_url(settings), "w1") as heartbeat:
        heartbeat.hold(lease)
        block(LEASE_SECONDS + 0.5)
        assert await other_queue.take(1, []) == []
        assert await idle_seconds(redis, lease) < LEASE_SECONDS / 2


async def test_a_lease_that_is_over_and_that_nobody_took_is_renewed(
    settings: Settings, redis: Redis, lease: Lease
) -> None:
    await redis.xclaim(lease.lane, "workers", "w1", 0, [lease.id], idle=60_000, justid=True)
    with Heartbeat(redis_url(settings), "w1") as heartbeat:
        heartbeat.hold(lease)

        async def is_renewed() -> bool:
            return await idle_seconds(redis, lease) < LEASE_SECONDS

        await until(is_renewed, "the lease is renewed", seconds=5)


async def test_what_another_worker_took_is_left_to_it(settings: Settings, redis: Redis, lease: Lease) -> None:
    await redis.xclaim(lease.lane, "workers", "w2", 0, [lease.id], idle=60_000, justid=True)
    await redis.config_resetstat()
    with Heartbeat(redis_url(settings), "w1") as heartbeat:
        heartbeat.hold(lease)

        async def has_tried() -> bool:
            return any(name == "cmdstat_evalsha" for name in await redis.info("commandstats"))

        await until(has_tried, "the heartbeat has been there", seconds=5)
    (pending,) = await redis.xpending_range(lease.lane, "workers", "-", "+", 1)
    assert pending["consumer"] == "w2"
    assert await idle_seconds(redis, lease) >= 60


async def test_what_is_released_is_no_longer_renewed(settings: Settings, lease: Lease) -> None:
    with Heartbeat(redis_url(settings), "w1") as heartbeat:
        heartbeat.hold(lease)
        assert heartbeat.held == [lease]
        heartbeat.release(lease)
        assert heartbeat.held == []
