"""The keys of the HTTP API in Redis, by name. They stay until they are revoked."""

from typing import cast

from redis.asyncio import Redis

from orchestrator.api_key import ApiKey, Scope, key_name_in
from orchestrator.key_errors import KeyNameTakenError, KeyNotFoundError
from orchestrator.keys import Keys
from orchestrator.redis_connection import redis_errors


class ApiKeyStore:
    """The keys of one tenant. All methods raise RedisUnavailableError."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys

    async def create(self, name: str, scopes: tuple[Scope, ...]) -> str:
        """Make a key; its secret comes back this once. Raises KeyNameTakenError."""
        key, secret = ApiKey.issue(name, self._keys.tenant, scopes)
        async with redis_errors():
            if not await self._redis.hsetnx(self._keys.api_keys, name, key.model_dump_json()):
                raise KeyNameTakenError(name)
        return secret

    async def revoke(self, name: str) -> None:
        """Remove a key; from the next request on it opens nothing. Raises KeyNotFoundError."""
        async with redis_errors():
            if not await self._redis.hdel(self._keys.api_keys, name):
                raise KeyNotFoundError(name)

    async def list(self) -> list[ApiKey]:
        """All keys, by name."""
        async with redis_errors():
            found = cast(dict[str, str], await self._redis.hgetall(self._keys.api_keys))
        return [ApiKey.model_validate_json(found[name]) for name in sorted(found)]

    async def find(self, secret: str) -> ApiKey | None:
        """The key that a secret opens, if it opens one."""
        name = key_name_in(secret)
        if name is None:
            return None
        async with redis_errors():
            found = cast(str | None, await self._redis.hget(self._keys.api_keys, name))
        key = ApiKey.model_validate_json(found) if found else None
        return key if key and key.opens_with(secret) else None
