"""LangGraph's checkpointer on plain Redis commands: what LangGraph asks, put to the checkpoint store."""

import secrets
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
    get_checkpoint_id,
    get_checkpoint_metadata,
    writes_sort_key,
)

from orchestrator.async_saver import AsyncSaver
from orchestrator.checkpoint_record import CheckpointRecord, Version, WriteRecord, pack_typed, unpack_typed, value_name
from orchestrator.checkpoint_serializer import CheckpointSerializer
from orchestrator.checkpoint_store import CheckpointStore, StoredCheckpoint


class Checkpointer(AsyncSaver):
    """Keeps the checkpoints of graphs. Asynchronous: the other methods raise AsyncOnlyError.

    All methods raise RedisUnavailableError, CheckpointSchemaError and, for a value that is no plain data and none of
    `classes`, CheckpointRefusedError.
    """

    def __init__(self, store: CheckpointStore, classes: Collection[type]) -> None:
        super().__init__(serde=CheckpointSerializer(classes))
        self._store = store

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Keep a checkpoint; of its channels' values, those of `new_versions`."""
        thread_id, namespace, parent = _place(config)
        kept: dict[str, Any] = {**checkpoint}
        values: Mapping[str, Any] = kept.pop("channel_values")
        versions: Mapping[str, Version] = kept.pop("channel_versions")
        described = cast(dict[str, Any], get_checkpoint_metadata(config, metadata))
        record = CheckpointRecord(
            checkpoint=pack_typed(self.serde.dumps_typed(kept)),
            metadata=pack_typed(self.serde.dumps_typed(described)),
            versions=versions,
            deltas=tuple(described.get("counters_since_delta_snapshot", ())),
            parent=parent,
            run=str(described.get("run_id", "")),
        )
        new_values = {
            value_name(namespace, channel, version): self.serde.dumps_typed(values[channel])
            for channel, version in new_versions.items()
            if channel in values
        }
        await self._store.put(thread_id, namespace, checkpoint["id"], record, new_values)
        return _config(thread_id, namespace, checkpoint["id"])

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Keep what a task wrote after a checkpoint."""
        records = [
            WriteRecord(task_id, WRITES_IDX_MAP.get(channel, index), channel, task_path, self.serde.dumps_typed(value))
            for index, (channel, value) in enumerate(writes)
        ]
        await self._store.put_writes(*_place(config), records)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The checkpoint that the config names, by default the newest of its namespace."""
        thread_id, namespace, checkpoint_id = _place(config)
        stored = await self._store.get(thread_id, namespace, checkpoint_id)
        return stored and self._tuple(thread_id, stored)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Checkpoints of a thread, the newest first; without a config those of every thread, one after another."""
        count = 0
        end = get_checkpoint_id(before) if before else None
        async for thread_id, namespace, checkpoint_id in self._names(config):
            if count == limit:
                return
            if end and checkpoint_id >= end:
                continue
            stored = await self._store.get(thread_id, namespace, checkpoint_id)
            found = stored and self._tuple(thread_id, stored)
            metadata = cast(dict[str, Any], found.metadata) if found else {}
            if found and all(metadata.get(key) == wanted for key, wanted in (filter or {}).items()):
                count += 1
                yield found

    async def adelete_thread(self, thread_id: str) -> None:
        """Remove all of a thread, also one that another version has written."""
        await self._store.delete(thread_id)

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Remove the checkpoints of these runs in every thread."""
        if run_ids:
            async for thread_id in self._store.thread_ids():
                await self._store.delete_for_runs(thread_id, run_ids)

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Add all checkpoints and writes of a thread to another one."""
        await self._store.copy(source_thread_id, target_thread_id)

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Remove all of the threads ("delete") or all but the newest checkpoint of each namespace ("keep_latest").

        Checkpoints that the newest one's delta channels are rebuilt from stay, too.
        """
        if strategy not in ("keep_latest", "delete"):
            raise ValueError(f"the strategy {strategy!r} is not known; it is 'keep_latest' or 'delete'")
        for thread_id in thread_ids:
            await (self._store.delete if strategy == "delete" else self._store.keep_latest)(thread_id)

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """What channels are rebuilt from: of each the nearest earlier value and the writes since, in one look."""
        history: dict[str, DeltaChannelHistory] = {channel: {"writes": []} for channel in channels}
        for ancestor in await self._store.ancestors(*_place(config), list(history)) if history else ():
            writes = sorted(ancestor.writes, key=_order, reverse=True)
            for channel, entry in history.items():
                if "seed" in entry:
                    continue
                entry["writes"] += [self._write(write) for write in writes if write.channel == channel]
                if channel in ancestor.values:
                    entry["seed"] = self.serde.loads_typed(ancestor.values[channel])
        for entry in history.values():
            entry["writes"].reverse()
        return history

    def get_next_version(self, current: str | None, channel: None) -> str:
        """A number that sorts as text, and some chance: two branches of a thread never share a version."""
        number = int(current.partition(".")[0]) + 1 if current else 1
        return f"{number:012}.{secrets.token_hex(4)}"

    async def _names(self, config: RunnableConfig | None) -> AsyncIterator[tuple[str, str, str]]:
        """Thread, namespace and id of the checkpoints in question, each thread's newest first."""
        if config is None:
            async for thread_id in self._store.thread_ids():
                for namespace, checkpoint_id in await self._newest_first(thread_id):
                    yield thread_id, namespace, checkpoint_id
            return
        thread_id, _, only_id = _place(config)
        only_namespace = config.get("configurable", {}).get("checkpoint_ns")
        for namespace, checkpoint_id in await self._newest_first(thread_id):
            if only_namespace in (None, namespace) and only_id in ("", checkpoint_id):
                yield thread_id, namespace, checkpoint_id

    async def _newest_first(self, thread_id: str) -> list[tuple[str, str]]:
        return sorted(await self._store.names(thread_id), key=lambda name: name[1], reverse=True)

    def _tuple(self, thread_id: str, stored: StoredCheckpoint) -> CheckpointTuple:
        record = stored.record
        values = {channel: self.serde.loads_typed(value) for channel, value in stored.values.items()}
        checkpoint = {**self._load(record.checkpoint), "channel_versions": record.versions, "channel_values": values}
        return CheckpointTuple(
            config=_config(thread_id, stored.namespace, stored.id),
            checkpoint=cast(Checkpoint, checkpoint),
            metadata=self._load(record.metadata),
            parent_config=_config(thread_id, stored.namespace, record.parent) if record.parent else None,
            pending_writes=[self._write(write) for write in sorted(stored.writes, key=_order)],
        )

    def _load(self, packed: bytes) -> Any:
        return self.serde.loads_typed(unpack_typed(packed))

    def _write(self, write: WriteRecord) -> tuple[str, str, Any]:
        return write.task_id, write.channel, self.serde.loads_typed(write.value)


def _place(config: RunnableConfig) -> tuple[str, str, str]:
    """Thread, namespace and checkpoint id of a config; an empty id means the newest, or no parent."""
    configurable = config.get("configurable", {})
    return str(configurable["thread_id"]), configurable.get("checkpoint_ns", ""), get_checkpoint_id(config) or ""


def _config(thread_id: str, namespace: str, checkpoint_id: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread_id, "checkpoint_ns": namespace, "checkpoint_id": checkpoint_id}}


def _order(write: WriteRecord) -> tuple[str, str, int]:
    return writes_sort_key(write.path, write.task_id, write.index)
