"""Attention over the paged cache, inside transformers' own decoder layers, through its attention registry."""

from collections.abc import Sequence as Many
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AttentionInterface

from experts.engine import kernels
from experts.engine.kv_cache import KVCache, LayerCache
from experts.engine.operations import number_like, number_like_few
from experts.engine.rotation import Rotation

NAME = "ccoe_paged"


@dataclass(frozen=True, slots=True)
class AttentionKind:
    """What a layer asks of the attention."""

    scaling: float
    sliding_window: int | None = None
    softcap: float | None = None


@dataclass
class Span:
    """Rows of one or several sequences that attend together: equally many rows, equally many blocks each."""

    rows: slice
    """In the batch; sequence by sequence."""
    positions: Tensor
    """`[num_sequences, num_rows]`: of each row in its own sequence. A chunk's last one is repeated up to a multiple of
    16 rows, as torch keeps code for every number of rows it has seen."""
    blocks: Tensor
    """`[num_sequences, num_blocks]`: of the cache, which hold their keys and values."""
    cache: KVCache
    masks: dict[tuple[int | None, int, int], Tensor] = field(default_factory=dict[tuple[int | None, int, int], Tensor])

    @cached_property
    def cache_rows(self) -> Tensor:
        """`[num_sequences * num_kv_heads * num_blocks]`: rows for `LayerCache.read`."""
        return self.cache.head_rows(self.blocks)

    @property
    def num_cached(self) -> int:
        """Tokens that the blocks hold, those behind a row's own position too."""
        return self.blocks.shape[1] * self.cache.block_size

    def mask(self, window: int | None, heads: int, groups: int, dtype: torch.dtype) -> Tensor:
        """What each row may see, as a bias `[num_sequences * heads, groups * num_rows, num_cached]`."""
        key = (window, heads, groups)
        if key not in self.masks:
            cached = torch.arange(self.num_cached, device=self.positions.device)
            seen = cached <= self.positions[..., None]
            if window is not None:
                seen &= cached > self.positions[..., None] - window
            bias = torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill_(~seen, float("-inf"))
            self.masks[key] = bias.repeat(1, groups, 1).repeat_interleave(heads, dim=0)
        return self.masks[key]


@dataclass(frozen=True, slots=True)
class AttentionBatch:
    """The rows of one forward: where their keys and values go, and who attends to what."""

    cache: KVCache
    slots: Tensor
    """`[num_rows * num_kv_heads]`, row by row."""
    spans: Many[Span]
    rotations: dict[int, Rotation] = field(default_factory=dict[int, Rotation])

    def rotation(self, position_embeddings: tuple[Tensor, Tensor]) -> Rotation:
        """Made once from a pair that lives as long as the batch."""
        key = id(position_embeddings[0])
        if key not in self.rotations:
            self.rotations[key] = Rotation.of(position_embeddings)
        return self.rotations[key]

    def attend_heads(
        self, layer: int, heads: Tensor, num_kv_heads: int, rotation: Rotation, kind: AttentionKind
    ) -> Tensor:
        """As `attend`, for heads `[num_rows, num_heads + 2 * num_kv_heads, head_dim]` not turned yet, to be used up.

        The result is `[num_rows, num_heads * head_dim]`.
        """
        cache, like = self.cache.layers[layer], number_like_few(heads)
        if like is None:
            return self.attend(layer, *rotation.split(heads, num_kv_heads), kind).flatten(1)
        num_rows, num_all, size = heads.shape
        num_heads = num_all - 2 * num_kv_heads
        tensors = (heads, rotation.cos, rotation.sin, cache.keys, cache.values, self.slots)
        addresses = [tensor.data_ptr() for tensor in tensors]
        kernels.rotate_and_keep(like, *addresses, num_rows, num_heads, num_kv_heads, size)
        return self._attend_kept(cache, heads[:, :num_heads], kind).flatten(1)

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, kind: AttentionKind) -> Tensor:
        """Write keys and values `[num_rows, num_kv_heads, head_dim]` to the cache, attend to all that is cached.

        query and result `[num_rows, num_heads, head_dim]`.
        """
        cache = self.cache.layers[layer]
        cache.write(key, value, self.slots)
        return self._attend_kept(cache, query, kind)

    def _attend_kept(self, cache: LayerCache, query: Tensor, kind: AttentionKind) -> Tensor:
        if len(self.spans) == 1:
            return _attend_span(query, self.spans[0], cache, kind)
        return torch.cat([_attend_span(query[span.rows], span, cache, kind) for span in self.spans])


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
    """Keys and values `[1, num_kv_heads, num_rows, head_dim]` to the cache, then attention to all that is cached.

    query `[1, num_heads, num_rows, head_dim]`; returns `[1, num_rows, num_heads, head_dim]`.
    """
    assert attention_mask is None
    layer: Any = module
    query, key, value = (tensor[0].transpose(0, 1) for tensor in (query, key, value))
    kind = AttentionKind(scaling, sliding_window, softcap)
    return batch.attend(layer.layer_idx, query, key, value, kind)[None], None


def _attend_span(query: Tensor, span: Span, cache: LayerCache, kind: AttentionKind) -> Tensor:
    """`[num_sequences * num_rows, num_heads, head_dim]`."""
    is_decoding = span.positions.shape[1] == 1
    like = number_like(query) if is_decoding and kind.softcap is None else None
    if like is not None and query.stride()[1:] == (query.shape[2], 1):
        return _attend_one_each(like, query, span, cache, kind)
    return _attend(query, span, *cache.read(span.cache_rows, len(span.positions)), kind)


def _attend_one_each(like: Any, query: Tensor, span: Span, cache: LayerCache, kind: AttentionKind) -> Tensor:
    """One row of each sequence, compiled: without a copy of keys and values, and without oneDNN, which keeps code of
    half a megabyte for each number of sequences and blocks."""
    (num_rows, num_heads, size), num_blocks = query.shape, span.blocks.shape[1]
    sizes = (num_heads // cache.num_kv_heads, size, cache.block_size, num_blocks)
    scratch = torch.empty(kernels.attend_scratch(*sizes))
    out = query.new_empty(num_rows, num_heads, size)
    tensors = (query, cache.keys, cache.values, span.blocks, span.positions, scratch, out)
    numbers = (num_rows, query.stride(0), kind.sliding_window or 0, cache.num_kv_heads, *sizes)
    kernels.attend(like, np.float32(kind.scaling), *[tensor.data_ptr() for tensor in tensors], *numbers)
    return out


def _attend(query: Tensor, span: Span, keys: Tensor, values: Tensor, kind: AttentionKind) -> Tensor:
    """`[num_sequences * num_rows, num_heads, head_dim]`; keys `[num_sequences, num_kv_heads, num_cached, head_dim]`.

    The query heads of a group are passed as further rows, so that no key or value head is repeated.
    """
    num_wanted, num_heads, head_dim = query.shape
    num_sequences, num_rows = span.positions.shape
    num_kv_heads = keys.shape[1]
    groups = num_heads // num_kv_heads
    query = functional.pad(query, (0, 0, 0, 0, 0, num_sequences * num_rows - num_wanted))
    rows = query.reshape(num_sequences, num_rows, num_kv_heads, groups, head_dim)
    rows = rows.permute(0, 2, 3, 1, 4).reshape(num_sequences, num_kv_heads, groups * num_rows, head_dim)
    window, dtype, num_copies = kind.sliding_window, query.dtype, 1 if num_rows == 1 else groups
    if kind.softcap is None:
        mask = span.mask(window, 1, num_copies, dtype)[:, None]
        output = functional.scaled_dot_product_attention(rows, keys, values, attn_mask=mask, scale=kind.scaling)
    else:
        mask = span.mask(window, num_kv_heads, num_copies, dtype)
        output = _products(
            rows.flatten(0, 1), keys.flatten(0, 1), values.flatten(0, 1), mask, kind.softcap, kind.scaling
        )
    output = output.view(num_sequences, num_kv_heads, groups, num_rows, head_dim)
    return output.permute(0, 3, 1, 2, 4).reshape(-1, num_heads, head_dim)[:num_wanted]


def _products(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor, softcap: float, scaling: float) -> Tensor:
    """Attention with capped scores: query `[batch, num_rows, head_dim]`, keys `[batch, num_cached, head_dim]`."""
    scores = torch.tanh(torch.bmm(query, keys.transpose(1, 2)) * (scaling / softcap))
    return torch.bmm(torch.softmax(scores * softcap + mask, dim=-1), values)
