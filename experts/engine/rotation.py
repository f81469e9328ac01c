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
        return cls(cos.contiguous(), torch.cat([-sin[..., :half], sin[..., half:]], dim=-1))

    def split(self, heads: Tensor, num_kv_heads: int) -> tuple[Tensor, Tensor, Tensor]:
        """Queries and keys, turned, and values, of `[num_rows, num_heads + 2 * num_kv_heads, head_dim]`."""
        num_keys_end = heads.shape[1] - num_kv_heads
        turned = heads[:, :num_keys_end]
        turned = (turned * self.cos).addcmul_(turned.roll(heads.shape[-1] // 2, -1), self.sin)
        num_heads = num_keys_end - num_kv_heads
        return turned[:, :num_heads], turned[:, num_heads:], heads[:, num_keys_end:]
