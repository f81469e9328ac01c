"""The traces of runs: one Redis Stream per run is trace, live feed and replay."""

from collections.abc import AsyncIterator
from typing import Any, cast

from redis.asyncio import Redis

from orchestrator.events import TRACE_EVENT, RunFinished, TraceEntry
from orchestrator.redis_connection import redis_errors
from orchestrator.run_store import RunStore

FROM_THE_START = "0"
_BLOCK_MILLISECONDS = 2000


class TraceStore:
    """Read a trace whole, follow it; a ClaimedRun writes it. All methods raise RedisUnavailableError."""

    def __init__(self, redis: Redis, runs: RunStore) -> None:
        self._redis = redis
        self._runs = runs

    async def read(self, run_id: str, after: str = FROM_THE_START) -> list[TraceEntry]:
        """The entries behind `after`. Raises RunNotFoundError."""
        await self._runs.status(run_id)
        async with redis_errors():
            entries = await self._redis.xrange(self._runs.keys.events(run_id), min=f"({after}")
        return [_entry(*pair) for pair in cast(list[tuple[str, dict[str, str]]], entries)]

    async def follow(self, run_id: str, after: str = FROM_THE_START) -> AsyncIterator[TraceEntry]:
        """The entries behind `after`, then new ones as they come, until the run has ended. Raises RunNotFoundError."""
        is_ended = (await self._runs.status(run_id)).is_terminal
        while True:
            entries = await self._read_new(run_id, after, None if is_ended else _BLOCK_MILLISECONDS)
            for entry in entries:
                yield entry
                after = entry.id
                if isinstance(entry.event, RunFinished):
                    return
            if is_ended:
                return
            if not entries:
                is_ended = (await self._runs.status(run_id)).is_terminal

    async def until_ended(self, run_id: str) -> None:
        """Return when the run is terminal; what is in the trace already is not read. Raises RunNotFoundError."""
        async with redis_errors():
            newest = await self._redis.xrevrange(self._runs.keys.events(run_id), count=1)
        last_id = cast(list[tuple[str, Any]], newest)[0][0] if newest else FROM_THE_START
        async for _ in self.follow(run_id, last_id):
            pass

    async def _read_new(self, run_id: str, after: str, block: int | None) -> list[TraceEntry]:
        async with redis_errors():
            reply = await self._redis.xread({self._runs.keys.events(run_id): after}, block=block)
        streams = cast(list[tuple[str, list[tuple[str, dict[str, str]]]]], reply or [])
        return [_entry(*pair) for _, entries in streams for pair in entries]


def _entry(entry_id: str, fields: dict[str, str]) -> TraceEntry:
    values: dict[str, Any] = {"id": entry_id, "at": fields["at"], "event": TRACE_EVENT.validate_json(fields["event"])}
    return TraceEntry.model_validate(values)
