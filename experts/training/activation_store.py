"""Boundary activations on disk: computed once for the same rows, read by every later training.

<cache>/activations/<key>/
    activations.bin   the rows one after another, [num_tokens, hidden] in the model's own type
    done              a line for each row whose bytes are on disk: its index and their CRC-32
    lock              held by the process that fills the two
"""

import hashlib
import os
import shutil
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import IO

import torch
from torch import Tensor

from experts.backbone import Backbone
from experts.errors import TrainingFileError
from experts.file_lock import locked
from experts.training.activations import MAX_BATCH_TOKENS, EncodedRow, OnDone, batches, computed_batches, rows_hash

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class ActivationStore:
    """A directory of boundary activations, one folder for each backbone, split and set of rows."""

    directory: Path

    def activations(
        self, backbone: Backbone, rows: Sequence[EncodedRow], on_done: OnDone, max_batch_tokens: int = MAX_BATCH_TOKENS
    ) -> list[Tensor]:
        """The backbone's output for each row, `[num_tokens, hidden]`, mapped from the file, in the rows' order.

        Computes what is not on disk or does not have the recorded checksum; `on_done` gets the number of tokens just
        found or computed. Batches are computed whole, so the bytes are the same however often it was interrupted.
        Raises TrainingFileError.
        """
        folder = self.directory / _key(backbone, rows, max_batch_tokens)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with locked(folder / "lock"):
                file = _File.open(folder, backbone, rows)
                good = file.good_rows()
                groups = batches(rows, max_batch_tokens)
                on_done(sum(rows[i].num_tokens for group in groups if good.issuperset(group) for i in group))
                missing = [group for group in groups if not good.issuperset(group)]
                for group, output in computed_batches(backbone, rows, missing):
                    file.write(dict(zip(group, output, strict=True)))
                    on_done(sum(rows[i].num_tokens for i in group))
        except OSError as error:
            raise TrainingFileError(folder, error.strerror or str(error)) from error
        return file.mapped()

    @property
    def num_bytes(self) -> int:
        """On disk, of all folders together."""
        return sum(path.stat().st_size for path in self.directory.rglob("*") if path.is_file())

    def clear(self) -> int:
        """Remove everything; returns how many bytes there were. A training that reads them keeps its mapping."""
        num_bytes = self.num_bytes
        if self.directory.exists():
            shutil.rmtree(self.directory)
        return num_bytes


@dataclass(frozen=True, slots=True)
class _File:
    """The activations of one set of rows."""

    data: Path
    done: Path
    rows: Sequence[EncodedRow]
    hidden: int
    dtype: torch.dtype

    @classmethod
    def open(cls, folder: Path, backbone: Backbone, rows: Sequence[EncodedRow]) -> "_File":
        """The file in its full size; one of another size is made anew."""
        file = cls(
            folder / "activations.bin", folder / "done", rows, backbone.embeddings.shape[1], backbone.model.dtype
        )
        if not file.data.is_file() or file.data.stat().st_size != file.starts[-1]:
            file.done.unlink(missing_ok=True)
            file.data.unlink(missing_ok=True)  # not cut: another process may have it mapped
            with file.data.open("wb") as data:
                data.truncate(file.starts[-1])
        return file

    @property
    def starts(self) -> list[int]:
        """Where each row begins, in bytes, and the whole size."""
        width = self.hidden * self.dtype.itemsize
        return list(accumulate((row.num_tokens * width for row in self.rows), initial=0))

    def good_rows(self) -> set[int]:
        """Rows whose bytes are those that were recorded."""
        starts, recorded = self.starts, self._recorded()
        with self.data.open("rb") as data:
            return {i for i, checksum in recorded.items() if _checksum_at(data, starts[i], starts[i + 1]) == checksum}

    def _recorded(self) -> dict[int, int]:
        if not self.done.is_file():
            return {}
        found: dict[int, int] = {}
        for line in self.done.read_text(encoding="ascii", errors="replace").splitlines(keepends=True):
            parts = line.split()
            if line.endswith("\n") and len(parts) == 2 and all(part.isdecimal() for part in parts):
                found[int(parts[0])] = int(parts[1])
        return {i: checksum for i, checksum in found.items() if i < len(self.rows)}

    def write(self, computed: dict[int, Tensor]) -> None:
        """Bytes first, and only when they are on disk the lines that say so."""
        starts, lines = self.starts, list[str]()
        with self.data.open("r+b") as data:
            for index, activations in computed.items():
                content = activations.to(self.dtype).contiguous().view(torch.uint8).numpy().tobytes()
                data.seek(starts[index])
                data.write(content)
                lines.append(f"{index} {zlib.crc32(content)}\n")
            _to_disk(data)
        with self.done.open("a+b") as done:
            done.write(b"\n" + "".join(lines).encode())  # a torn last line ends here
            _to_disk(done)

    def mapped(self) -> list[Tensor]:
        """Every row as a view of the file; the pages are read when they are touched."""
        count = self.starts[-1] // self.dtype.itemsize
        flat = torch.from_file(str(self.data), shared=False, size=count, dtype=self.dtype).view(-1, self.hidden)
        return list(flat.split([row.num_tokens for row in self.rows]))


def _key(backbone: Backbone, rows: Sequence[EncodedRow], max_batch_tokens: int) -> str:
    parts = (_FORMAT, backbone.hash, backbone.num_shared_layers, backbone.model.dtype, max_batch_tokens)
    text = "\n".join([*map(str, parts), rows_hash(rows)])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _checksum_at(data: IO[bytes], start: int, end: int) -> int:
    data.seek(start)
    return zlib.crc32(data.read(end - start))


def _to_disk(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())
