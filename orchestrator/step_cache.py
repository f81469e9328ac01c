"""The StepCache of a tenant in Redis: what one run has paid for, the next one finds.

It is no memo: a run keeps what it takes from here in its own memo, and goes on without this.
"""

import logging
from importlib.metadata import version
from typing import Self

from pydantic import ValidationError
from redis.asyncio import Redis

from graphs.events import StepResult
from orchestrator.errors import RedisUnavailableError
from orchestrator.keys import Keys
from orchestrator.redis_connection import redis_errors
from orchestrator.settings import Settings

MAX_ENTRY_BYTES = 64 * 2**10
"""A longer result is not kept."""
_ANSWER_SECONDS = 1.0
"""What takes longer is no gain."""
_LOG = logging.getLogger(__name__)


class RedisStepCache:
    """A StepCache. An entry is a string of its own with a time to live; of two runs at the same time both may write."""

    def __init__(self, redis: Redis, keys: Keys, ttl_seconds: int, made_by: str) -> None:
        """What was `made_by` something else, another version or other weights, is not found."""
        self._redis = redis
        self._keys = keys
        self._ttl_seconds = ttl_seconds
        self._made_by = made_by

    @classmethod
    def of(cls, settings: Settings, redis: Redis, keys: Keys) -> Self | None:
        """That of the settings, if they want one; entries live no longer than finished runs."""
        made_by = f"ccoe {version('ccoe')} {settings.expert_form} {settings.decode_weights}"
        seconds = min(settings.step_cache_seconds, settings.run_ttl_seconds)
        return cls(redis, keys, seconds, made_by) if seconds else None

    async def load(self, key: str) -> StepResult | None:
        """What was kept under the key; nothing if Redis does not answer."""
        try:
            async with redis_errors(_ANSWER_SECONDS):
                kept = await self._redis.get(self._key(key))
            return StepResult.model_validate_json(kept) if kept else None
        except RedisUnavailableError as error:
            _LOG.warning("the step is run, as the cache of steps cannot be read: %s", error)
        except ValidationError as error:
            _LOG.warning("the step is run, as its entry in the cache of steps is damaged: %s", error.errors()[0]["msg"])
        return None

    async def keep(self, key: str, result: StepResult) -> None:
        """Keep a result that is not too long, in place of one that is there; not if Redis does not answer."""
        kept = result.model_dump_json()
        if len(kept.encode()) > MAX_ENTRY_BYTES:
            return
        try:
            async with redis_errors(_ANSWER_SECONDS):
                await self._redis.set(self._key(key), kept, ex=self._ttl_seconds)
        except RedisUnavailableError as error:
            _LOG.warning("a result is not kept in the cache of steps: %s", error)

    def _key(self, key: str) -> str:
        return self._keys.cached_step(f"{self._made_by} {key}")
