"""An expert's low-rank deltas beside weights that it shares with others."""

from collections.abc import Sequence as Many

import torch
from torch import Tensor

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
        output.addmm_(inputs @ self._down, self._up)
