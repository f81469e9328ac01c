"""Weights that stay in their file: mapped into memory, read page by page when they are touched."""

import json
import mmap
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

_DTYPES = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32}
_PATTERN = "*.safetensors"


@dataclass(frozen=True, slots=True)
class _Place:
    file: mmap.mmap
    start: int
    dtype: torch.dtype
    shape: tuple[int, ...]


class MappedWeights:
    """The tensors of a model directory, by name.

    Pages that were read belong to the system's file cache; `release` takes them from this process, the next touch
    brings them back.
    """

    def __init__(self, directory: Path) -> None:
        self._files: list[mmap.mmap] = []
        self._places: dict[str, _Place] = {}
        for path in sorted(directory.glob(_PATTERN)):
            self._map(path)

    def tensor(self, name: str) -> Tensor | None:
        """A view of the file; None if it has no such tensor, or one of another type. Writing to it changes no file."""
        place = self._places.get(name)
        if place is None:
            return None
        count = int(torch.Size(place.shape).numel())
        return torch.frombuffer(place.file, dtype=place.dtype, count=count, offset=place.start).view(place.shape)

    def holds(self, tensor: Tensor) -> bool:
        """Whether a tensor is a view of one of the files."""
        starts = [(torch.frombuffer(file, dtype=torch.uint8).data_ptr(), len(file)) for file in self._files]
        return any(start <= tensor.data_ptr() < start + length for start, length in starts)

    def release(self) -> None:
        """Give the pages back."""
        for file in self._files:
            file.madvise(mmap.MADV_DONTNEED)

    def _map(self, path: Path) -> None:
        """Read the header (its length in 8 bytes, then JSON): https://huggingface.co/docs/safetensors."""
        with path.open("rb") as opened:
            length = int.from_bytes(opened.read(8), "little")
            header = json.loads(opened.read(length))
            # a private mapping, which torch takes for writable without a warning
            file = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_COPY)
        self._files.append(file)
        for name, entry in header.items():
            if name != "__metadata__" and entry["dtype"] in _DTYPES:
                start = 8 + length + entry["data_offsets"][0]
                self._places[name] = _Place(file, start, _DTYPES[entry["dtype"]], tuple(entry["shape"]))
