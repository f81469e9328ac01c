"""What nobody needs is found without a change, and removed; what is needed stays."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis

from orchestrator.events import RunFinished
from orchestrator.keys import Keys
from orchestrator.leftovers import IDLE_WORKER_SECONDS, Leftovers
from orchestrator.run import RunStatus, Scheduling
from orchestrator.run_queue import RunQueue
from orchestrator.run_store import RunStore
from tests.orchestrator.records import a_run, claimed, kept

pytestmark = pytest.mark.usefixtures("server")

KEYS = Keys("default")
TTL = 3600


@pytest.fixture
def leftovers(redis: Redis) -> Leftovers:
    return Leftovers(redis, KEYS, TTL)


async def found_names(leftovers: Leftovers) -> dict[str, Sequence[str]]:
    return {leftover.what: leftover.names for leftover in await leftovers.find()}


async def cleaned(leftovers: Leftovers) -> None:
    for leftover in await leftovers.find():
        await leftover.remove()
    assert await leftovers.find() == []


async def test_what_is_needed_is_no_leftover(
    leftovers: Leftovers, runs: RunStore, queue: RunQueue, redis: Redis
) -> None:
    for run in (waiting := await kept(runs, a_run()), ended := await kept(runs, a_run())):
        await queue.put(run, Scheduling(idempotency_key=run.id))
    await (await claimed(runs, ended)).finish(RunFinished(run_id=ended.id, status=RunStatus.SUCCESS))
    await runs.create(refused := a_run("refused while it was submitted"))
    await queue.take(1, [])
    assert await leftovers.find() == []
    assert await redis.exists(KEYS.run(waiting.id))
    await runs.drop(refused.id)


async def test_keys_of_no_class(leftovers: Leftovers, redis: Redis) -> None:
    stray = ["ccoe:stray", "ccoe:{default}:notes", "ccoe:{default/01a2}:drafts"]
    others = ["ccoe:{other}:notes", "elsewhere"]
    for key in (*stray, *others):
        await redis.set(key, "x" * 1000)
    (leftover,) = await leftovers.find()
    assert (leftover.what, sorted(leftover.names)) == ("keys of no class", sorted(stray))
    assert leftover.num_bytes > 3000
    assert await redis.exists("ccoe:stray")
    await cleaned(leftovers)
    assert sorted(map(str, await redis.keys())) == sorted(others)
    for key in others:
        await redis.delete(key)


async def test_the_cache_of_steps_is_no_leftover_and_can_be_emptied(leftovers: Leftovers, redis: Redis) -> None:
    for key in (kept := KEYS.cached_step("a"), others := Keys("other").cached_step("a")):
        await redis.set(key, "{}", ex=60)
    assert await leftovers.find() == []
    leftover = await leftovers.cached_steps()
    assert leftover.names == [kept] and leftover.num_bytes > 0
    await leftover.remove()
    assert await redis.keys() == [others]


async def test_what_belongs_to_a_run_without_a_record(leftovers: Leftovers, redis: Redis) -> None:
    await redis.xadd(KEYS.events("01a2"), {"event": "{}"})
    await redis.hset(KEYS.memo("01a3"), "plan", "{}")
    await redis.zadd(KEYS.of_thread("01a4")[0], {"a": 0})
    await redis.zadd(KEYS.of_thread("a thread of its own")[0], {"a": 0})
    await redis.expire(KEYS.of_thread("a thread of its own")[0], 60)
    found = await found_names(leftovers)
    assert sorted(found["traces, results and memos without a run"]) == [KEYS.events("01a2"), KEYS.memo("01a3")]
    assert found["checkpoints without a run"] == [KEYS.of_thread("01a4")[0]]
    await cleaned(leftovers)
    assert await redis.keys() == [KEYS.of_thread("a thread of its own")[0]]


async def test_a_run_that_came_since_is_left_alone(leftovers: Leftovers, runs: RunStore, redis: Redis) -> None:
    run = a_run()
    await redis.xadd(KEYS.events(run.id), {"event": "{}"})
    (leftover,) = await leftovers.find()
    await kept(runs, run)
    await leftover.remove()
    assert await redis.exists(KEYS.events(run.id))


@pytest.mark.parametrize(("hours", "is_over"), [(0.5, False), (2, True)])
async def test_keys_of_an_ended_run_that_would_never_expire(
    leftovers: Leftovers, runs: RunStore, redis: Redis, hours: float, is_over: bool
) -> None:
    run = await kept(runs, a_run())
    await (await claimed(runs, run)).finish(RunFinished(run_id=run.id, status=RunStatus.SUCCESS))
    at = datetime.now(UTC) - timedelta(hours=hours)
    await redis.hset(KEYS.run(run.id), "finished", json.dumps(at.isoformat()))
    for key in await redis.keys():
        await redis.persist(key)
    assert "keys of ended runs that would never expire" in await found_names(leftovers)
    await cleaned(leftovers)
    if is_over:
        assert await redis.keys() == []
    else:
        assert 1700 < await redis.ttl(KEYS.run(run.id)) <= 1800


async def test_entries_of_runs_that_have_expired(
    leftovers: Leftovers, runs: RunStore, queue: RunQueue, redis: Redis
) -> None:
    gone, there = await kept(runs, a_run()), await kept(runs, a_run())
    for run in (gone, there):
        await queue.put(run, Scheduling())
    await redis.delete(KEYS.run(gone.id))
    assert await found_names(leftovers) == {"entries of expired runs in the list": [gone.id]}
    await cleaned(leftovers)
    assert await redis.zrange(KEYS.runs, 0, -1) == [there.id]


async def test_workers_that_are_gone(
    leftovers: Leftovers, queue: RunQueue, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    await queue.take(1, [])
    await redis.xgroup_createconsumer(KEYS.lanes[0], "workers", "w0")
    assert await leftovers.find() == []
    monkeypatch.setattr("orchestrator.leftovers.IDLE_WORKER_SECONDS", -1)
    assert IDLE_WORKER_SECONDS == 3600
    names = (await found_names(leftovers))["workers that are gone"]
    assert f"w0 in {KEYS.lanes[0]}" in names
    await cleaned(leftovers)
    assert await redis.xinfo_consumers(KEYS.lanes[0], "workers") == []
