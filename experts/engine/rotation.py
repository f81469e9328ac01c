"""Rotary position embeddings (RoFormer, arXiv 2104.09864), queries and keys at once."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Rotation:
    """Cosines and sines of all rows, `[num_rows, 1, head_dim]`; the sines of the first half are negated."""

    cos: Tensor
    sin: Tensor

    @classmethod
    def of(cls, position_embeddings: tuple[Tensor, Tensor]) -> Self:
        """From transformers' pair, `[1, num_rows, head_dim]` each."""
        cos, sin = (tensor[0][:, None] for tensor in position_embeddings)
        half = sin.shape[-1] // 2
        return cls(cos, torch.cat([-sin[..., :half], sin[..., half:]], dim=-1))

    def apply(self, heads: Tensor) -> Tensor:
        """`[num_rows, num_heads, head_dim]`: the two halves of a head are turned against each other."""
        return (heads * self.cos).addcmul_(heads.roll(heads.shape[-1] // 2, -1), self.sin)
