"""What Redis keeps of a thread, as bytes. A name is its parts with NUL between them, so that names sort by part.

checkpoints  namespace NUL id NUL header NUL checkpoint and metadata
writes       namespace NUL id NUL task NUL index NUL channel NUL path NUL kind NUL value
channels     namespace NUL channel NUL version: kind NUL value
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import ormsgpack

from orchestrator.errors import CheckpointRefusedError

Version = str | int | float
Typed = tuple[str, bytes]
"""A value as the serializer hands it out: kind and bytes."""
NUL = b"\0"
_WRITE_PARTS = 7


def name_of(*parts: str | int) -> bytes:
    """Parts as one name. Raises CheckpointRefusedError if one of them has a NUL itself."""
    texts = [str(part) for part in parts]
    if any("\0" in text for text in texts):
        raise CheckpointRefusedError(f"the name {texts} has a NUL character")
    return NUL.join(text.encode() for text in texts)


def value_name(namespace: str, channel: str, version: Version) -> bytes:
    """The name of a channel's value. The scripts write numbers in the same way."""
    return name_of(namespace, channel, version if isinstance(version, str) else f"{version:.17g}")


def pack_typed(value: Typed) -> bytes:
    """Kind and bytes as one."""
    return value[0].encode() + NUL + value[1]


def unpack_typed(packed: bytes) -> Typed:
    """The inverse of `pack_typed`."""
    kind, _, content = packed.partition(NUL)
    return kind.decode(), content


@dataclass(frozen=True, slots=True)
class CheckpointRecord:
    """A checkpoint without its channels' values, which are kept once per version."""

    checkpoint: bytes
    metadata: bytes
    versions: Mapping[str, Version]
    """By channel, the version of its value."""
    deltas: Sequence[str]
    """Channels whose value is in the writes since an earlier checkpoint."""
    parent: str
    """The id of the checkpoint before; empty for the first one."""
    run: str
    """The run that made it, or nothing."""

    def pack(self) -> bytes:
        """The rest of its member: what the scripts read as JSON, then what only the serializer reads."""
        header = {"versions": self.versions, "deltas": self.deltas, "parent": self.parent, "run": self.run}
        body = ormsgpack.packb((self.checkpoint, self.metadata))
        return json.dumps(header, separators=(",", ":")).encode() + NUL + body

    @classmethod
    def unpack(cls, member: bytes) -> tuple[str, str, Self]:
        """Namespace, id and record of a member of `checkpoints`."""
        namespace, checkpoint_id, header, body = member.split(NUL, 3)
        checkpoint, metadata = ormsgpack.unpackb(body)
        return namespace.decode(), checkpoint_id.decode(), cls(checkpoint, metadata, **json.loads(header))


@dataclass(frozen=True, slots=True)
class WriteRecord:
    """What a task wrote to a channel."""

    task_id: str
    index: int
    """Its place among the task's writes; negative for LangGraph's own, which replace what was there."""
    channel: str
    path: str
    value: Typed

    def pack(self, namespace: str, checkpoint_id: str) -> tuple[bytes, bytes]:
        """Its name, and the rest of its member."""
        name = name_of(namespace, checkpoint_id, self.task_id, self.index)
        return name, name_of(self.channel, self.path) + NUL + pack_typed(self.value)

    @classmethod
    def unpack(cls, member: bytes) -> Self:
        """A member of `writes`."""
        _, _, task_id, index, channel, path, kind, content = member.split(NUL, _WRITE_PARTS)
        return cls(task_id.decode(), int(index), channel.decode(), path.decode(), (kind.decode(), content))
