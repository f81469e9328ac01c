"""The rows of one engine step for one layer group: where they go in the cache, what they attend to."""

from collections.abc import Sequence as Many
from dataclasses import dataclass
from itertools import groupby

from torch import Tensor

from experts.engine.attention import AttentionBatch, Span
from experts.engine.kv_cache import KVCache
from experts.engine.sequence import BlockTable

_CHUNK_STEP = 16
"""Rows of a chunk are attended in multiples of it."""
TablePart = tuple[BlockTable, range]
"""A sequence's blocks in the layer group, and the positions that are computed."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows part by part, in the order of the parts."""

    positions: Tensor
    """Of each row in its sequence, `[1, num_rows]`."""
    slots: Tensor
    """Where the cache of this layer group keeps each row's token, `[num_rows]`."""
    attention: AttentionBatch


def lay_out(cache: KVCache, parts: Many[TablePart]) -> Rows:
    """Rows for these parts. Neighbours of one row each attend together, the others one by one."""
    spans: list[Span] = []
    num_rows = 0
    for length, group in groupby(parts, key=lambda part: len(part[1])):
        members = list(group)
        for together in [members] if length == 1 else [[member] for member in members]:
            end = num_rows + length * len(together)
            spans.append(_span(cache, together, slice(num_rows, end)))
            num_rows = end
    slots = slots_of(cache, parts)
    positions = cache.tensor([[position for _, positions in parts for position in positions]])
    return Rows(positions, slots, AttentionBatch(cache, cache.head_slots(slots), spans))


def slots_of(cache: KVCache, parts: Many[TablePart]) -> Tensor:
    """Where the cache keeps the tokens of these parts, `[num_rows]`."""
    size = cache.block_size
    return cache.tensor([table.blocks[p // size] * size + p % size for table, positions in parts for p in positions])


def _span(cache: KVCache, parts: Many[TablePart], rows: slice) -> Span:
    num_blocks = max(-(-positions.stop // cache.block_size) for _, positions in parts)
    tables = [(table.blocks[:num_blocks] + [0] * num_blocks)[:num_blocks] for table, _ in parts]
    positions = cache.tensor([_filled(positions) for _, positions in parts])
    return Span(rows, positions, cache.tensor(tables), cache)


def _filled(positions: range) -> list[int]:
    """The last one repeated, if they are several, up to a multiple of `_CHUNK_STEP`."""
    missing = -len(positions) % _CHUNK_STEP if len(positions) > 1 else 0
    return [*positions, *[positions[-1]] * missing]
