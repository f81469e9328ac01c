"""A process that executes runs: it shows that it lives, and ends the runs of those that do not."""

import secrets

from redis.asyncio import Redis

from orchestrator.events import RunFinished
from orchestrator.keys import Keys
from orchestrator.redis_connection import redis_errors
from orchestrator.run import RunError, RunStatus
from orchestrator.run_store import RunStore

BEAT_SECONDS = 3.0
_LEASE_SECONDS = 15

WORKER_DIED = RunError(
    type="worker_died",
    message="worker died: the process that executed the run ended without a word",
    remedy="start the run again",
)


class Worker:
    """This process as others see it in Redis. All methods raise RedisUnavailableError."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self.id = secrets.token_hex(8)
        self._redis = redis
        self._key = keys.worker(self.id)

    async def beat(self) -> None:
        """Live for another `_LEASE_SECONDS`."""
        async with redis_errors():
            await self._redis.set(self._key, "alive", ex=_LEASE_SECONDS)

    async def leave(self) -> None:
        """Say that this process is gone."""
        async with redis_errors():
            await self._redis.delete(self._key)


async def end_abandoned_runs(redis: Redis, runs: RunStore) -> list[str]:
    """Mark the runs whose worker lives no more as failed, and return their ids. Raises RedisUnavailableError."""
    abandoned: list[str] = []
    for run in await runs.active():
        async with redis_errors():
            lives = await redis.exists(runs.keys.worker(run.worker))
        if not lives:
            await runs.finish(RunFinished(run_id=run.id, status=RunStatus.ERROR, error=WORKER_DIED))
            abandoned.append(run.id)
    return abandoned
