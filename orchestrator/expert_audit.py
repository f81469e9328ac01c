"""Every change of the experts that a service made, in one capped Redis Stream."""

from datetime import UTC, datetime
from typing import Literal, Self, cast

from pydantic import AwareDatetime, BaseModel, ConfigDict
from redis.asyncio import Redis

from orchestrator.keys import Keys
from orchestrator.redis_connection import check_writable, redis_errors

_MAX_ENTRIES = 10_000

ExpertAction = Literal["push", "pop", "rollback"]


class ExpertChange(BaseModel):
    """What was done to an expert: `version` is the one it was done to, `previous` the one that was active before."""

    model_config = ConfigDict(frozen=True)

    at: AwareDatetime
    action: ExpertAction
    name: str
    version: str
    previous: str | None = None
    by: str | None = None
    """The name of the caller's key, or what stands for one: `local`, `anonymous`."""

    @classmethod
    def now(cls, action: ExpertAction, name: str, version: str, previous: str | None, by: str) -> Self:
        """A change that was just made."""
        return cls(at=datetime.now(UTC), action=action, name=name, version=version, previous=previous, by=by)


class ExpertAudit:
    """Append to the audit, read its end. All methods raise RedisUnavailableError."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._key = keys.experts_audit

    async def check(self) -> None:
        """Return if Redis would take an entry now."""
        await check_writable(self._redis, self._keys)

    async def append(self, change: ExpertChange) -> None:
        """Write one change; the oldest of more than `_MAX_ENTRIES` leave."""
        async with redis_errors():
            await self._redis.xadd(
                self._key, {"change": change.model_dump_json()}, maxlen=_MAX_ENTRIES, approximate=False
            )

    async def newest(self, limit: int = 50) -> list[ExpertChange]:
        """The newest changes, the newest first."""
        async with redis_errors():
            entries = await self._redis.xrevrange(self._key, count=limit)
        found = cast(list[tuple[str, dict[str, str]]], entries)
        return [ExpertChange.model_validate_json(fields["change"]) for _, fields in found]
