"""The traces of runs: one Redis Stream per run is trace, live feed and replay."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, cast

from redis.asyncio import Redis

from orchestrator.events import TRACE_EVENT, RunFinished, TraceEntry, TraceEvent
from orchestrator.redis_connection import redis_errors
from orchestrator.run_store import RunStore

FROM_THE_START = "0"
_BLOCK_MILLISECONDS = 2000


class TraceStore:
    """Append to a trace, read it whole, follow it. All methods raise RedisUnavailableError."""

    def __init__(self, redis: Redis, runs: RunStore) -> None:
        self._redis = redis
        self._runs = runs

    async def append(self, run_id: str, number: int, event: TraceEvent) -> None:
        """Write the run's event `number`, from 1 on, once: a repeated call changes nothing.

        Raises RunEndedError if the run is terminal.
        """
        key = self._runs.keys.events(run_id)
        entry = ("event", event.model_dump_json(), "at", datetime.now(UTC).isoformat())
        await self._runs.write_if_live(run_id, key, "XADD", f"{number}-0", *entry)

    async def read(self, run_id: str, after: str = FROM_THE_START) -> list[TraceEntry]:
        """The entries behind `after`. Raises RunNotFoundError."""
        await self._runs.get(run_id)
        async with redis_errors():
            entries = await self._redis.xrange(self._runs.keys.events(run_id), min=f"({after}")
        return [_entry(*pair) for pair in cast(list[tuple[str, dict[str, str]]], entries)]

    async def follow(self, run_id: str, after: str = FROM_THE_START) -> AsyncIterator[TraceEntry]:
        """The entries behind `after`, then new ones as they come, until the run has ended. Raises RunNotFoundError."""
        is_ended = (await self._runs.get(run_id)).status.is_terminal
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
                is_ended = (await self._runs.get(run_id)).status.is_terminal

    async def _read_new(self, run_id: str, after: str, block: int | None) -> list[TraceEntry]:
        async with redis_errors():
            reply = await self._redis.xread({self._runs.keys.events(run_id): after}, block=block)
        streams = cast(list[tuple[str, list[tuple[str, dict[str, str]]]]], reply or [])
        return [_entry(*pair) for _, entries in streams for pair in entries]


def _entry(entry_id: str, fields: dict[str, str]) -> TraceEntry:
    values: dict[str, Any] = {"id": entry_id, "at": fields["at"], "event": TRACE_EVENT.validate_json(fields["event"])}
    return TraceEntry.model_validate(values)
