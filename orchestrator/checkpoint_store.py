"""Checkpoints of threads in Redis, as bytes: every operation on a thread is one script (checkpoint_scripts.py)."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.client import NEVER_DECODE
from redis.exceptions import NoScriptError, ResponseError

from orchestrator import checkpoint_scripts as scripts
from orchestrator.checkpoint_record import CheckpointRecord, Typed, WriteRecord, name_of, pack_typed, unpack_typed
from orchestrator.checkpoint_scripts import Script
from orchestrator.errors import CheckpointSchemaError
from orchestrator.keys import Keys, thread_id_of
from orchestrator.redis_connection import redis_errors

SCHEMA = "1"
"""Of the data model; kept with every thread. A change of the model or of the state's classes raises it."""
_SCAN_COUNT = 1000


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A checkpoint with the values of its channels and what tasks have written since."""

    namespace: str
    id: str
    record: CheckpointRecord
    values: Mapping[str, Typed]
    writes: Sequence[WriteRecord]


@dataclass(frozen=True, slots=True)
class Ancestor:
    """What a checkpoint on the way back has of some channels."""

    writes: Sequence[WriteRecord]
    values: Mapping[str, Typed]


class CheckpointStore:
    """The threads of one tenant. All methods raise RedisUnavailableError, and CheckpointSchemaError but for `delete`.

    `ttl_seconds`: how long a thread without a run is kept after its last write; others are kept as their run is.
    """

    def __init__(self, redis: Redis, keys: Keys, ttl_seconds: int) -> None:
        self._redis = redis
        self._keys = keys
        self._ttl_seconds = ttl_seconds

    async def put(
        self,
        thread_id: str,
        namespace: str,
        checkpoint_id: str,
        record: CheckpointRecord,
        values: Mapping[bytes, Typed],
    ) -> None:
        """Keep a checkpoint and the channel values that are new with it, by `value_name`."""
        pairs = [part for name, value in values.items() for part in (name, pack_typed(value))]
        name = name_of(namespace, checkpoint_id)
        await self._run(scripts.PUT, thread_id, self._ttl_seconds, name, record.pack(), *pairs)

    async def put_writes(
        self, thread_id: str, namespace: str, checkpoint_id: str, writes: Iterable[WriteRecord]
    ) -> None:
        """Keep what a task wrote. A write that is there already stays, unless its index is negative."""
        arguments: list[bytes] = []
        for write in writes:
            name, rest = write.pack(namespace, checkpoint_id)
            arguments += [name, b"1" if write.index < 0 else b"", rest]
        await self._run(scripts.PUT_WRITES, thread_id, self._ttl_seconds, *arguments)

    async def get(self, thread_id: str, namespace: str, checkpoint_id: str = "") -> StoredCheckpoint | None:
        """A checkpoint, by default the namespace's newest."""
        reply = await self._run(scripts.GET, thread_id, namespace, checkpoint_id)
        if reply is None:
            return None
        member, values, writes = reply
        found = CheckpointRecord.unpack(member)
        return StoredCheckpoint(*found, _values(values), [WriteRecord.unpack(write) for write in writes])

    async def ancestors(
        self, thread_id: str, namespace: str, checkpoint_id: str, channels: Sequence[str]
    ) -> list[Ancestor]:
        """The checkpoints before this one, the nearest first, until each channel has had a value."""
        path = await self._run(scripts.ANCESTORS, thread_id, namespace, checkpoint_id, *channels)
        return [Ancestor([WriteRecord.unpack(write) for write in writes], _values(values)) for writes, values in path]

    async def names(self, thread_id: str) -> list[tuple[str, str]]:
        """Namespace and id of every checkpoint, ascending."""
        names = [name.decode().split("\0") for name in await self._run(scripts.NAMES, thread_id)]
        return [(namespace, checkpoint_id) for namespace, checkpoint_id in names]

    async def thread_ids(self) -> AsyncIterator[str]:
        """Every thread once. Looks through all keys of the server."""
        seen: set[str] = set()
        keys = self._redis.scan_iter(match=self._keys.any_checkpoints, count=_SCAN_COUNT)
        while True:
            async with redis_errors():
                key = await anext(keys, None)
            if key is None:
                return
            thread_id = thread_id_of(key.decode() if isinstance(key, bytes) else key)
            if thread_id is not None and thread_id not in seen:
                seen.add(thread_id)
                yield thread_id

    async def keep_latest(self, thread_id: str) -> None:
        """Remove all but the newest checkpoint of each namespace and what it is rebuilt from."""
        await self._run(scripts.KEEP_LATEST, thread_id)

    async def delete_for_runs(self, thread_id: str, run_ids: Sequence[str]) -> None:
        """Remove the checkpoints that these runs made, and the values that only they had."""
        await self._run(scripts.DELETE_FOR_RUNS, thread_id, *run_ids)

    async def delete(self, thread_id: str) -> None:
        """Remove the thread, whatever its schema."""
        async with redis_errors():
            await self._redis.delete(*self._keys.of_thread(thread_id))

    async def copy(self, thread_id: str, target_id: str) -> None:
        """Add all of a thread to another one. Read at once and written at once, by two scripts."""
        checkpoints, writes, channels = await self._run(scripts.READ, thread_id)
        if channels:
            counts = (len(checkpoints), len(writes))
            await self._run(scripts.WRITE, target_id, self._ttl_seconds, *counts, *checkpoints, *writes, *channels)

    async def _run(self, script: Script, thread_id: str, *arguments: str | int | bytes) -> Any:
        keys = [*self._keys.of_thread(thread_id), self._keys.run(thread_id)]
        command = (len(keys), *keys, SCHEMA, *arguments)
        async with redis_errors():
            try:
                try:
                    return await self._redis.execute_command("EVALSHA", script.sha, *command, **{NEVER_DECODE: []})
                except NoScriptError:
                    return await self._redis.execute_command("EVAL", script.text, *command, **{NEVER_DECODE: []})
            except ResponseError as error:
                code, _, found = str(error).partition(" ")
                if code != "SCHEMA":
                    raise
                raise CheckpointSchemaError(thread_id, found, SCHEMA) from error


def _values(pairs: Sequence[bytes]) -> dict[str, Typed]:
    return {channel.decode(): unpack_typed(packed) for channel, packed in zip(pairs[::2], pairs[1::2], strict=True)}
