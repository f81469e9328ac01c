"""The rows of one engine step for one layer group: who has which, where they go in the cache, what they attend to."""

from collections.abc import Sequence as Many
from dataclasses import dataclass

from torch import Tensor

from experts.engine.attention import AttentionBatch, Span
from experts.engine.kv_cache import KVCache
from experts.engine.sequence import BlockTable

Part = tuple[BlockTable, range]
"""A sequence's blocks in the layer group, and the positions that are computed."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows part by part: first those of one row each, which attend together, then the others one by one."""

    order: list[int]
    """Indices of the parts."""
    starts: dict[int, int]
    """First row of each part, by the part's index."""
    slots: Tensor
    """Where the cache of this layer group keeps each row's token, `[num_rows]`."""
    attention: AttentionBatch

    def slots_of(self, cache: KVCache, parts: Many[Part]) -> Tensor:
        """Where that of another layer group keeps them, for the same positions and its own tables."""
        return _tensor_of_slots(cache, parts, self.order)

    def positions(self, parts: Many[Part]) -> list[int]:
        """Each row's position in its sequence."""
        return [position for i in self.order for position in parts[i][1]]


def lay_out(cache: KVCache, parts: Many[Part]) -> Rows:
    """Rows for these parts."""
    single = [i for i, (_, positions) in enumerate(parts) if len(positions) == 1]
    longer = [i for i, (_, positions) in enumerate(parts) if len(positions) > 1]
    spans: list[Span] = []
    starts: dict[int, int] = {}
    num_rows = 0
    for indices in ([single] if single else []) + [[i] for i in longer]:
        first_row = num_rows
        for i in indices:
            starts[i] = num_rows
            num_rows += len(parts[i][1])
        spans.append(_span(cache, [parts[i] for i in indices], slice(first_row, num_rows)))
    order = [*single, *longer]
    slots = _tensor_of_slots(cache, parts, order)
    return Rows(order, starts, slots, AttentionBatch(cache, cache.head_slots(slots), spans))


def _tensor_of_slots(cache: KVCache, parts: Many[Part], order: Many[int]) -> Tensor:
    size = cache.block_size
    return cache.tensor([parts[i][0].blocks[p // size] * size + p % size for i in order for p in parts[i][1]])


def _span(cache: KVCache, parts: Many[Part], rows: slice) -> Span:
    num_blocks = max(-(-positions.stop // cache.block_size) for _, positions in parts)
    blocks = [(table.blocks[:num_blocks] + [0] * num_blocks)[:num_blocks] for table, _ in parts]
    positions = cache.tensor([list(positions) for _, positions in parts])
    return Span(rows, positions, cache.head_rows(cache.tensor(blocks)), num_blocks * cache.block_size)
