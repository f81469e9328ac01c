"""The queue: each run to one worker, by priority, when it is due, as many at once as its key allows."""

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from orchestrator.keys import Keys
from orchestrator.run import Concurrency, Priority, Run, Scheduling
from orchestrator.run_queue import LEASE_SECONDS, Lease, RunQueue
from tests.orchestrator.conditions import until
from tests.orchestrator.records import a_run

pytestmark = pytest.mark.usefixtures("server")


async def put(queue: RunQueue, run: Run | None = None, **scheduling: Any) -> str:
    run = run or a_run(priority=scheduling.get("priority", Priority.NORMAL), concurrency=scheduling.get("concurrency"))
    run_id, lease = await queue.put(run, Scheduling(**scheduling))
    assert lease is None
    return run_id


async def taken(queue: RunQueue, count: int = 10, held: list[Lease] | None = None) -> list[str]:
    return [lease.run_id for lease in await queue.take(count, held or [])]


async def expire(redis: Redis, worker: str, leases: list[Lease]) -> None:
    """What the time would do."""
    for lease in leases:
        await redis.xclaim(lease.lane, "workers", worker, 0, [lease.id], idle=int(LEASE_SECONDS * 1000), justid=True)


async def test_runs_are_taken_in_their_order_and_once(queue: RunQueue, other_queue: RunQueue) -> None:
    made = [await put(queue) for _ in range(5)]
    assert await taken(queue, 2) == made[:2]
    assert await taken(other_queue) == made[2:]
    assert await taken(queue) == await taken(other_queue) == []


async def test_a_higher_priority_goes_first(queue: RunQueue) -> None:
    low, normal, high = [await put(queue, priority=priority) for priority in reversed(Priority)]
    assert await taken(queue) == [high, normal, low]


async def test_a_run_is_put_once(queue: RunQueue) -> None:
    """The client repeats a call whose reply was lost."""
    run = a_run()
    assert await put(queue, run) == await put(queue, run) == run.id
    assert await taken(queue) == [run.id]
    assert await put(queue, run) == run.id
    assert await taken(queue) == []


async def test_an_idempotency_key_belongs_to_the_first_run(
    queue: RunQueue, other_queue: RunQueue, redis: Redis
) -> None:
    first = await put(queue, idempotency_key="order 7")
    assert await put(other_queue, idempotency_key="order 7") == first
    assert await put(queue, idempotency_key="order 8") != first
    assert len(await taken(queue)) == 2
    assert 0 < await redis.ttl(Keys("default").idempotency("order 7")) <= 24 * 3600


async def test_of_many_requests_with_one_key_one_makes_a_run(queue: RunQueue) -> None:
    ids = await asyncio.gather(*(put(queue, idempotency_key="k") for _ in range(20)))
    assert len(set(ids)) == 1
    assert await taken(queue) == [ids[0]]


async def test_a_delayed_run_waits_until_it_is_due(queue: RunQueue, redis: Redis) -> None:
    late = await put(queue, delay_seconds=3600, priority=Priority.HIGH)
    soon = await put(queue, delay_seconds=0.05)
    now = await put(queue)
    assert await taken(queue) == [now]

    async def is_due() -> bool:
        return await taken(queue) == [soon]

    await until(is_due, "the delayed run is due", seconds=5)
    await redis.zadd(
        Keys("default").delayed, {str(entry): 0 for entry in await redis.zrange(Keys("default").delayed, 0, -1)}
    )
    assert await taken(queue) == [late]


async def test_a_key_limits_how_many_go_at_once(queue: RunQueue, other_queue: RunQueue, redis: Redis) -> None:
    shop = Concurrency(key="shop", limit=2)
    made = [await put(queue, concurrency=shop) for _ in range(5)]
    free = await put(queue)
    leases = await queue.take(10, [])
    assert [lease.run_id for lease in leases] == [*made[:2], free]
    assert await taken(other_queue) == []
    await queue.done(leases[0])
    await queue.done(leases[0])  # a repeated call frees no second place
    assert await taken(other_queue) == [made[2]]
    assert await taken(other_queue) == []
    for lease in leases[1:]:
        await queue.done(lease)
    assert await taken(queue) == [made[3]]
    await expire(redis, "w2", [])


async def test_a_place_is_handed_on_before_newcomers(queue: RunQueue) -> None:
    one = Concurrency(key="shop", limit=1)
    first, parked = [await put(queue, concurrency=one) for _ in range(2)]
    (lease,) = await queue.take(10, [])
    assert lease.run_id == first
    newcomer = await put(queue, concurrency=one, priority=Priority.HIGH)
    await queue.done(lease)
    (lease,) = await queue.take(10, [])
    assert lease.run_id == parked
    await queue.done(lease)
    assert await taken(queue) == [newcomer]


async def test_nothing_is_left_of_what_is_done(queue: RunQueue, redis: Redis) -> None:
    for _ in range(3):
        await put(queue, concurrency=Concurrency(key="shop", limit=1))
    for _ in range(3):
        (lease,) = await queue.take(1, [])
        await queue.done(lease)
    keys = Keys("default")
    assert [await redis.xlen(lane) for lane in keys.lanes] == [0, 0, 0, 0]
    assert not await redis.exists(f"{keys.concurrency}shop:active", f"{keys.concurrency}shop:parked", keys.delayed)


async def test_a_lease_that_is_over_is_taken_first_and_keeps_its_place(
    queue: RunQueue, other_queue: RunQueue, redis: Redis
) -> None:
    one = Concurrency(key="shop", limit=1)
    lost = await put(queue, concurrency=one, priority=Priority.LOW)
    leases = await queue.take(1, [])
    high = await put(queue, priority=Priority.HIGH)
    assert await taken(other_queue, 1) == [high]
    await expire(redis, "w1", leases)
    assert await taken(other_queue, 1) == [lost]
    assert await taken(other_queue) == []


async def test_what_this_worker_still_holds_is_not_taken_anew(queue: RunQueue, redis: Redis) -> None:
    await put(queue)
    held = await queue.take(1, [])
    await expire(redis, "w1", held)
    assert await taken(queue, 5, held) == []
    assert await taken(queue, 5) == [held[0].run_id]


async def test_a_run_that_is_handed_back_is_taken_at_once(queue: RunQueue, other_queue: RunQueue) -> None:
    run_id = await put(queue)
    (lease,) = await queue.take(1, [])
    await queue.hand_back(lease)
    assert await taken(other_queue) == [run_id]
    await queue.hand_back(lease)  # no longer ours: nothing happens
    assert await taken(queue) == []


async def test_a_private_run_is_leased_to_its_worker_and_to_others_only_when_that_dies(
    queue: RunQueue, other_queue: RunQueue, redis: Redis
) -> None:
    run_id, lease = await queue.put(a_run(), Scheduling(), is_private=True)
    assert lease is not None and lease.run_id == run_id
    assert await taken(queue) == await taken(other_queue) == []
    await expire(redis, "w1", [lease])
    assert await taken(other_queue) == [run_id]


async def test_waiting_ends_when_a_run_comes(queue: RunQueue, other_queue: RunQueue) -> None:
    await taken(queue)
    waiting = asyncio.create_task(queue.wait())
    run_id = await put(other_queue)
    async with asyncio.timeout(5):
        await waiting
    assert await taken(queue) == [run_id]


async def test_a_run_that_came_between_the_look_and_the_wait_is_not_waited_for(
    queue: RunQueue, other_queue: RunQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.run_queue._WAIT_MILLISECONDS", 60_000)  # longer than any call may take
    await taken(queue)
    run_id = await put(other_queue)
    await queue.wait()
    assert await taken(queue) == [run_id]


async def test_workers_that_have_left_are_forgotten_and_those_with_runs_are_not(
    queue: RunQueue, other_queue: RunQueue, redis: Redis
) -> None:
    await put(queue)
    await taken(queue)
    await taken(other_queue)
    for each in (queue, other_queue):
        await each.leave()
    consumers = await redis.xinfo_consumers(Keys("default").lanes[1], "workers")
    assert [consumer["name"] for consumer in consumers] == ["w1"]


OPERATIONS = st.lists(st.sampled_from(["put", "take", "done", "die", "back"]), min_size=5, max_size=40)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=OPERATIONS, limit=st.integers(1, 3))
async def test_whatever_happens_no_run_is_lost_or_leased_twice(
    queue: RunQueue, redis: Redis, operations: list[str], limit: int
) -> None:
    """Puts, takes, ends, deaths and returns in any order: never more than the limit, and at the end all are done."""
    await redis.flushall()
    waiting, leases, done = set[str](), list[Lease](), set[str]()

    async def take(count: int) -> None:
        new = await queue.take(count, leases)
        leases.extend(new)
        waiting.difference_update(lease.run_id for lease in new)
        assert len({lease.run_id for lease in leases}) == len(leases) <= limit

    async def finish() -> None:
        lease = leases.pop()
        await queue.done(lease)
        done.add(lease.run_id)

    for operation in operations:
        if operation == "put":
            waiting.add(await put(queue, concurrency=Concurrency(key="k", limit=limit)))
        elif operation == "take":
            await take(2)
        elif leases and operation == "done":
            await finish()
        elif leases:
            lease = leases.pop(0)
            waiting.add(lease.run_id)
            await (expire(redis, "w1", [lease]) if operation == "die" else queue.hand_back(lease))
    expected = waiting | done | {lease.run_id for lease in leases}
    while waiting or leases:
        await take(10)
        await finish()
    assert done == expected


async def test_what_is_set_aside_is_taken_when_it_is_woken(queue: RunQueue, redis: Redis) -> None:
    """Its place under the concurrency key is another's meanwhile; a repeated call changes nothing."""
    concurrency = Concurrency(key="shop", limit=1)
    first, second = [await put(queue, concurrency=concurrency) for _ in range(2)]
    [lease] = await queue.take(2, [])
    for _ in range(2):
        await queue.set_aside(lease)
    assert (await queue.aside(), await taken(queue)) == ([first], [second])
    for _ in range(2):
        await queue.wake(first)
    assert (await queue.aside(), await taken(queue)) == ([], [])
    assert await redis.llen(f"{Keys('default').concurrency}shop:parked") == 1
