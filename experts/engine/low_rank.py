"""An expert's low-rank deltas beside weights that it shares with others."""

from collections.abc import Sequence as Many

import torch
from torch import Tensor
from torch.nn import functional

Pair = tuple[Tensor, Tensor]
"""A `[rank, in]` and B `[out, rank]` of one projection."""


class Delta:
    """What an expert adds to one product of projections: x A^T B^T, `[num_rows, in]` to `[num_rows, out]`.

    Projections of the same input are one delta: their A lie one below the other, their B in a block diagonal, so that
    it takes two products whatever their number. The expert's scale is in B.
    """

    def __init__(self, down: Tensor, up: Tensor) -> None:
        self._down, self._up = down, up

    @classmethod
    def of(cls, pairs: Many[Pair | None], sizes: Many[int], scale: float, like: Tensor) -> "Delta | None":
        """From A and B of each projection, None where it has no delta; `sizes` are the projections' outputs."""
        downs = [pair[0] for pair in pairs if pair is not None]
        if not downs:
            return None
        nothing = [torch.zeros(size, 0) for size in sizes]
        ups = [empty if pair is None else scale * pair[1].float() for empty, pair in zip(nothing, pairs, strict=True)]
        down, up = torch.cat(downs).T, torch.block_diag(*ups).T
        return cls(*(matrix.to(like.device, like.dtype).contiguous() for matrix in (down, up)))

    @property
    def num_bytes(self) -> int:
        return self._down.nbytes + self._up.nbytes

    def add_to(self, output: Tensor, inputs: Tensor) -> None:
        """In place, `[num_rows, out]`."""
        num_rows = inputs.shape[0]
        if missing := -num_rows % row_step(num_rows):
            output += (functional.pad(inputs, (0, 0, 0, missing)) @ self._down @ self._up)[:num_rows]
        else:
            output.addmm_(inputs @ self._down, self._up)


def row_step(num_rows: int) -> int:
    """Numbers of rows are rounded up to a multiple of it: each that oneDNN has seen costs half a megabyte for good."""
    return 1 if num_rows <= 16 else 16 if num_rows <= 64 else 32
