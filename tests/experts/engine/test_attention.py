"""The compiled attention of decoding against the one of torch, on the same cache."""

from collections.abc import Iterator
from unittest.mock import patch

import pytest
import torch
from torch import Tensor

from experts.engine import attention
from experts.engine.attention import AttentionKind
from experts.engine.batch import Rows, lay_out
from experts.engine.kv_cache import KVCache
from experts.engine.rotation import Rotation
from experts.engine.sequence import BlockTable
from tests.experts.conftest import make_backbone

LENGTHS = [1, 4, 5, 17, 40]
"""Of five sequences in blocks of four tokens."""


@pytest.fixture(params=[torch.float32, torch.bfloat16], ids=str)
def cache(request: pytest.FixtureRequest) -> Iterator[KVCache]:
    backbone = make_backbone()
    backbone.model.to(request.param)
    cache = KVCache(backbone, 64, 64, 4)
    cache.layers[0].keys.normal_()
    cache.layers[0].values.normal_()
    yield cache


def rows_of(cache: KVCache, lengths: list[int]) -> Rows:
    """The last token of each sequence; their blocks lie scattered."""
    free = iter(torch.randperm(64).tolist())
    parts: list[tuple[BlockTable, range]] = []
    for length in lengths:
        table = BlockTable()
        table.blocks += [next(free) for _ in range(-(-length // 4))]
        parts.append((table, range(length - 1, length)))
    return lay_out(cache, parts)


def attended(rows: Rows, heads: Tensor, rotation: Rotation, kind: AttentionKind) -> tuple[Tensor, ...]:
    """The result, and the cache after it."""
    layer = rows.attention.cache.layers[0]
    result = rows.attention.attend_heads(0, heads.clone(), layer.num_kv_heads, rotation, kind)
    return result, layer.keys.clone(), layer.values.clone()


@pytest.mark.parametrize("window", [None, 1, 6, 100])
@pytest.mark.parametrize("lengths", [LENGTHS[-1:], LENGTHS], ids=["one", "several"])
def test_compiled_and_plain_attention_agree(cache: KVCache, lengths: list[int], window: int | None) -> None:
    layer, rows = cache.layers[0], rows_of(cache, lengths)
    num_rows, size, dtype = len(lengths), layer.head_dim, layer.keys.dtype
    heads = torch.randn(num_rows, 4 * layer.num_kv_heads, size).to(dtype)
    angles = torch.rand(1, num_rows, size // 2).repeat(1, 1, 2)
    rotation = Rotation.of((angles.cos().to(dtype), angles.sin().to(dtype)))
    kind = AttentionKind(size**-0.5, window)

    found = attended(rows, heads, rotation, kind)
    with (
        patch.object(attention, "number_like", return_value=None),
        patch.object(attention, "number_like_few", return_value=None),
    ):
        expected = attended(rows, heads, rotation, kind)

    tolerance = max(1e-5, 4 * torch.finfo(dtype).eps)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


def test_decoding_is_compiled_and_a_chunk_is_not(cache: KVCache) -> None:
    layer = cache.layers[0]
    heads = torch.randn(2, 4 * layer.num_kv_heads, layer.head_dim).to(layer.keys.dtype)
    rotation = Rotation.of((torch.ones(1, 2, layer.head_dim).to(heads), torch.zeros(1, 2, layer.head_dim).to(heads)))
    table = BlockTable()
    table.blocks += [3, 5]
    chunk = lay_out(cache, [(table, range(3, 5))])

    with patch.object(attention.kernels, "attend") as compiled:
        for rows, number in [(rows_of(cache, [3, 7]), 1), (chunk, 1)]:
            attended(rows, heads, rotation, AttentionKind(1.0))
            assert compiled.call_count == number


@pytest.mark.parametrize(("length", "num_attended"), [(1, 1), (2, 16), (16, 16), (17, 32)])
def test_chunks_are_attended_in_few_sizes(cache: KVCache, length: int, num_attended: int) -> None:
    table = BlockTable()
    table.blocks += range(8)
    span = lay_out(cache, [(table, range(3, 3 + length))]).attention.spans[0]

    assert span.positions.shape == (1, num_attended)
    assert span.positions[0, length - 1 :].unique().tolist() == [2 + length]
    assert span.rows == slice(0, length)
