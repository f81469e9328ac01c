"""All keys of a tenant by kind."""

import pytest
from redis.asyncio import Redis

from orchestrator.key_space import each, survey, weight
from orchestrator.keys import Keys
from orchestrator.run_store import RunStore
from tests.orchestrator.records import a_run, kept

pytestmark = pytest.mark.usefixtures("server")


async def test_every_key_of_the_tenant_is_seen_once(redis: Redis, runs: RunStore) -> None:
    made = [await kept(runs, a_run()) for _ in range(1200)]
    other = Keys("other")
    await redis.hset(other.run("01a2"), "status", '"pending"')
    space = await survey(redis, Keys("default"))
    assert space.run_ids == {run.id for run in made}
    assert len(space.keys_of("run")) == 1200
    assert space.stray == []
    assert [len((await survey(redis, other)).run_ids)] == [1]


async def test_a_sample_stands_for_all(redis: Redis) -> None:
    keys = [Keys("default").idempotency(str(k)) for k in range(1000)]
    await each(redis, [("SET", key, "x" * 500, "EX", 60) for key in keys])
    found = await weight(redis, keys)
    assert found.num_keys == 1000
    assert 500_000 < found.num_bytes < 1_000_000
    assert (await weight(redis, [])).num_bytes == 0
