"""Attention over the paged cache, inside transformers' own decoder layers, through its attention registry."""

from collections.abc import Sequence as Many
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AttentionInterface

from experts.engine.kv_cache import KVCache

NAME = "ccoe_paged"


@dataclass(slots=True)
class Span:
    """Rows of one or several sequences that attend together: equally many rows, equally many blocks each."""

    rows: slice
    """In the batch; sequence by sequence."""
    positions: Tensor
    """`[num_sequences, num_rows]`: of each row in its own sequence."""
    cache_rows: Tensor
    """`[num_sequences * num_kv_heads * num_blocks]`: where the cache keeps their keys and values."""
    num_cached: int
    """Tokens that the blocks hold, those behind a row's own position too."""
    masks: dict[tuple[int | None, int], Tensor] = field(default_factory=dict[tuple[int | None, int], Tensor])

    @property
    def num_sequences(self) -> int:
        return self.positions.shape[0]

    def mask(self, window: int | None, num_groups: int, dtype: torch.dtype) -> Tensor:
        """What each row may see, as a bias `[num_sequences, 1, num_groups * num_rows, num_cached]`."""
        key = (window, num_groups)
        if key not in self.masks:
            cached = torch.arange(self.num_cached, device=self.positions.device)
            seen = cached <= self.positions[..., None]
            if window is not None:
                seen &= cached > self.positions[..., None] - window
            bias = torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill_(~seen, float("-inf"))
            self.masks[key] = bias.repeat(1, num_groups, 1)[:, None]
        return self.masks[key]


@dataclass(frozen=True, slots=True)
class AttentionBatch:
    """The rows of one forward: where their keys and values go, and who attends to what."""

    cache: KVCache
    slots: Tensor
    """`[num_rows * num_kv_heads]`, row by row."""
    spans: Many[Span]


def register() -> None:
    """Make the attention known to transformers; again is the same.

    It has no entry among the library's mask functions, so models pass no mask: spans bring their own.
    """
    AttentionInterface.register(NAME, paged_attention)


def paged_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    batch: AttentionBatch,
    scaling: float,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Write keys and values `[1, num_kv_heads, num_rows, head_dim]` to the cache, attend to all that is cached.

    query `[1, num_heads, num_rows, head_dim]`; returns `[1, num_rows, num_heads, head_dim]`.
    """
    assert attention_mask is None
    layer: Any = module
    cache = batch.cache.layers[layer.layer_idx]
    cache.write(key[0], value[0], batch.slots)
    found = [
        _attend(
            query[0, :, span.rows],
            span,
            cache.read(span.cache_rows, span.num_sequences),
            scaling,
            sliding_window,
            softcap,
        )
        for span in batch.spans
    ]
    return (found[0] if len(found) == 1 else torch.cat(found))[None], None


def _attend(
    query: Tensor, span: Span, cached: tuple[Tensor, Tensor], scaling: float, window: int | None, softcap: float | None
) -> Tensor:
    """`[num_heads, num_sequences * num_rows, head_dim]` to `[num_sequences * num_rows, num_heads, head_dim]`.

    The query heads of a group are passed as further rows, so that no key or value head is repeated.
    """
    keys, values = cached
    num_heads, head_dim = query.shape[0], query.shape[-1]
    num_sequences, num_kv_heads = keys.shape[:2]
    groups = num_heads // num_kv_heads
    rows = query.view(num_kv_heads, groups, num_sequences, -1, head_dim).permute(2, 0, 1, 3, 4)
    rows = rows.reshape(num_sequences, num_kv_heads, -1, head_dim)
    mask = span.mask(window, groups, query.dtype)
    if softcap is None:
        output = functional.scaled_dot_product_attention(rows, keys, values, attn_mask=mask, scale=scaling)
    else:
        scores = torch.tanh(rows @ keys.transpose(-1, -2) * (scaling / softcap)) * softcap + mask
        output = torch.softmax(scores.float(), dim=-1).to(values.dtype) @ values
    output = output.view(num_sequences, num_heads, -1, head_dim)
    return output.transpose(1, 2).reshape(-1, num_heads, head_dim)
