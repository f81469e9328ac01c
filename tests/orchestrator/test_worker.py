"""A worker that died leaves runs behind; others end them."""

import pytest
from redis.asyncio import Redis

from orchestrator.run import RunStatus
from orchestrator.run_store import RunStore
from orchestrator.worker import Worker, end_abandoned_runs
from tests.orchestrator.records import a_run

pytestmark = pytest.mark.usefixtures("server")


async def test_runs_of_the_dead_are_ended_and_those_of_the_living_are_not(redis: Redis, runs: RunStore) -> None:
    living, dead = Worker(redis, runs.keys), Worker(redis, runs.keys)
    await living.beat()
    kept, lost = a_run(worker=living.id), a_run(worker=dead.id)
    for run in (kept, lost):
        await runs.create(run)
    assert await end_abandoned_runs(redis, runs) == [lost.id]
    ended = await runs.get(lost.id)
    assert ended.status is RunStatus.ERROR
    assert ended.error is not None and ended.error.message.startswith("worker died")
    assert (await runs.get(kept.id)).status is RunStatus.PENDING


async def test_a_lease_ends_by_itself_and_at_once_when_the_worker_leaves(redis: Redis, runs: RunStore) -> None:
    worker = Worker(redis, runs.keys)
    await worker.beat()
    assert 0 < await redis.ttl(runs.keys.worker(worker.id)) <= 15
    await worker.leave()
    assert not await redis.exists(runs.keys.worker(worker.id))
