"""An expert's low-rank deltas beside weights that it shares with others."""

from collections.abc import Sequence as Many

import torch
from torch import Tensor


class Delta:
    """What an expert adds to one product of projections: x A^T B^T, `[num_rows, in]` to `[num_rows, out]`.

    Projections of the same input are one delta: their A lie one below the other, their B in a block diagonal, so that it
    takes two products whatever their number. The expert's scale is in B.
    """

    def __init__(self, down: Tensor, up: Tensor) -> None:
        self._down, self._up = down, up

    @classmethod
    def of(cls, pairs: Many[tuple[Tensor, Tensor] | None], sizes: Many[int], scale: float, like: Tensor) -> "Delta | None":
        """From (A `[rank, in]`, B `[out, rank]`) of each projection, None where it has no delta; `sizes` are their outs."""
        present = [pair for pair in pairs if pair is not None]
        if not present:
            return None
        ups = [torch.zeros(size, 0) if pair is None else pair[1].float() * scale for pair, size in zip(pairs, sizes, strict=True)]
        down = torch.cat([down for down, _ in present])
        return cls(down.to(like.device, like.dtype).T, torch.block_diag(*ups).to(like.device, like.dtype).T.contiguous())

    @property
    def num_bytes(self) -> int:
        return self._down.nbytes + self._up.nbytes

    def add_to(self, output: Tensor, inputs: Tensor) -> None:
        """In place, `[num_rows, out]`."""
        output.addmm_(inputs @ self._down, self._up)
