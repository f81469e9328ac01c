"""What has grown too long, or waits too long."""

import time

import pytest
from redis.asyncio import Redis

from orchestrator.diagnosis.overlong import MAX_WAITING, long_lanes, long_traces
from orchestrator.key_space import each, survey
from orchestrator.run import Scheduling
from orchestrator.run_queue import LEASE_SECONDS, RunQueue
from orchestrator.run_store import RunStore
from tests.orchestrator.records import a_run, kept

pytestmark = pytest.mark.usefixtures("server")


async def test_a_long_trace(redis: Redis, runs: RunStore) -> None:
    run = await kept(runs, a_run())
    await each(redis, [("XADD", runs.keys.events(run.id), "*", "event", "{}")] * 21)
    space = await survey(redis, runs.keys)
    assert await long_traces(redis, space, max_entries=11) == []
    (finding,) = await long_traces(redis, space, max_entries=10)
    assert (run.id in finding.message, "21 entries" in finding.message) == (True, True)


async def test_a_lane_in_which_many_wait(redis: Redis, runs: RunStore, queue: RunQueue) -> None:
    await queue.put(a_run(), Scheduling())
    await queue.take(1, [])
    lane = runs.keys.lanes[1]
    await each(redis, [("XADD", lane, "*", "entry", "{}")] * MAX_WAITING)
    assert await long_lanes(redis, await survey(redis, runs.keys)) == []
    await redis.xadd(lane, {"entry": "{}"})
    (finding,) = await long_lanes(redis, await survey(redis, runs.keys))
    assert "1,001 runs wait" in finding.message


async def test_a_lane_in_which_one_waits_for_long(redis: Redis, runs: RunStore) -> None:
    lane = runs.keys.lanes[1]
    await redis.xgroup_create(lane, "workers", "0", mkstream=True)
    await redis.xadd(lane, {"entry": "{}"}, id=f"{int((time.time() - 7300) * 1000)}-0")
    (finding,) = await long_lanes(redis, await survey(redis, runs.keys))
    assert "one for 2.0 hours" in finding.message


async def test_a_lease_that_nobody_takes(redis: Redis, runs: RunStore, queue: RunQueue) -> None:
    await queue.put(a_run(), Scheduling())
    (lease,) = await queue.take(1, [])
    assert await long_lanes(redis, await survey(redis, runs.keys)) == []
    idle = int(11 * LEASE_SECONDS * 1000)
    await redis.xclaim(lease.lane, "workers", "w1", 0, [lease.id], idle=idle, justid=True)
    (finding,) = await long_lanes(redis, await survey(redis, runs.keys))
    assert "have lost their worker" in finding.message
