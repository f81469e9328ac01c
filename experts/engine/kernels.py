"""Operations on few rows, compiled for the processor by numba: torch takes longer to begin one than it takes to run.

Tensors come as addresses of contiguous numbers. `like` is a number of their type: float32, or uint16 for bfloat16,
which is widened to compute and rounded where transformers rounds.
"""

from typing import Any

import numpy as np

from experts.engine.intrinsics import FLOAT32, compiled, exp, load, load_int, rounded, store


@compiled
def add_norm(
    like: Any, x: int, added: int, weight: int, total: int, out: int, num_rows: int, size: int, eps: Any
) -> None:
    """Root mean square norm (arXiv 1910.07467) of `[num_rows, size]`; of the sum, if `added` is not 0."""
    for start in range(0, num_rows * size, size):
        if added != 0:
            for i in range(start, start + size):
                store(like, total, i, load(like, x, i) + load(like, added, i))
        squares = np.float32(0)
        for i in range(start, start + size):
            value = load(like, total, i)
            squares += value * value
        scale = np.float32(1) / np.sqrt(squares / np.float32(size) + eps)
        for i in range(size):
            normed = rounded(like, load(like, total, start + i) * scale)
            store(like, out, start + i, normed * load(like, weight, i))


@compiled
def silu_gate(like: Any, gate_up: int, out: int, num_rows: int, size: int) -> None:
    """silu(gate) * up (SwiGLU, arXiv 2002.05202): `[num_rows, 2 * size]` to `[num_rows, size]`."""
    for row in range(num_rows):
        gates, start = 2 * row * size, row * size
        for i in range(size):
            gate = load(like, gate_up, gates + i)
            opened = rounded(like, gate / (np.float32(1) + exp(-gate)))
            store(like, out, start + i, opened * load(like, gate_up, gates + size + i))


@compiled
def rotate_and_keep(like: Any, *numbers: int) -> None:
    """Turn queries and keys of new tokens in place, and copy keys and values into the cache.

    The numbers, in their order: heads `[num_rows, num_heads + 2 * num_kv_heads, size]` (queries, keys, values); cos and
    sin, each `[num_rows, size]`, the sines of the first half negated; keys and values of a `LayerCache`, and the slots
    of the new ones; num_rows, num_heads, num_kv_heads, size.
    """
    heads, cos, sin, keys, values, slots, num_rows, num_heads, num_kv_heads, size = numbers
    for row in range(num_rows):
        start = row * (num_heads + 2 * num_kv_heads) * size
        for head in range(num_heads + num_kv_heads):
            _rotate(like, heads, start + head * size, cos, sin, row * size, size)
        for head in range(num_kv_heads):
            slot, key = load_int(slots, row * num_kv_heads + head) * size, start + (num_heads + head) * size
            _copy(like, heads, key, keys, slot, size)
            _copy(like, heads, key + num_kv_heads * size, values, slot, size)


def attend_scratch(num_groups: int, size: int, block_size: int, num_blocks: int) -> int:
    """Float32 numbers that `attend` needs: scores, queries, their results, and a block widened."""
    return num_groups * (block_size * num_blocks + 2 * size) + block_size * size


@compiled
def attend(like: Any, scaling: Any, *numbers: int) -> None:
    """Attention of one token of each sequence to what the cache keeps of it, up to its position.

    The numbers, in their order: queries `[num_rows, num_kv_heads * num_groups, size]`, rows `stride` numbers apart;
    keys and values of a `LayerCache`; blocks `[num_rows, num_blocks]`, positions `[num_rows]`; scratch for
    `attend_scratch`; the result, contiguous; num_rows, stride, window (0 is none), num_kv_heads, num_groups, size,
    block_size, num_blocks.
    """
    queries, keys, values, blocks, positions, scratch, out, num_rows, stride, window = numbers[:10]
    sizes = numbers[10:]
    num_kv_heads, num_groups, size, block_size, num_blocks = sizes
    mixed = scratch + 4 * num_groups * (num_blocks * block_size + size)
    for row in range(num_rows):
        stop = load_int(positions, row) + 1
        seen = (max(0, stop - window) if window > 0 else 0, stop)
        kept = (keys, values, blocks + 8 * row * num_blocks)
        for head in range(num_kv_heads):
            of_head = head * num_groups * size
            _attend_group(like, queries, row * stride + of_head, kept, head, seen, scratch, sizes, scaling)
            target = row * num_kv_heads * num_groups * size + of_head
            for i in range(num_groups * size):
                store(like, out, target + i, load(FLOAT32, mixed, i))


@compiled
def _attend_group(
    like: Any,
    heads: int,
    first: int,
    kept: tuple[int, ...],
    head: int,
    seen: tuple[int, int],
    scratch: int,
    sizes: tuple[int, ...],
    scaling: Any,
) -> None:
    """The queries of one key head, over the tokens seen; the result is left in scratch."""
    num_kv_heads, num_groups, size, block_size, num_blocks = sizes
    keys, values, blocks = kept
    num_tokens, (start, stop) = num_blocks * block_size, seen
    query = scratch + 4 * num_groups * num_tokens
    mixed = query + 4 * num_groups * size
    wide = mixed + 4 * num_groups * size
    for i in range(num_groups * size):
        store(FLOAT32, query, i, load(like, heads, first + i) * scaling)
        store(FLOAT32, mixed, i, np.float32(0))
    for block in range(start // block_size, -(-stop // block_size)):
        row = (load_int(blocks, block) * num_kv_heads + head) * block_size * size
        _widen(like, keys, row, wide, block_size * size)
        for group in range(num_groups):
            scores = scratch + 4 * (group * num_tokens + block * block_size)
            _multiply(query + 4 * group * size, wide, scores, block_size, size)
    for group in range(num_groups):
        _softmax(scratch + 4 * group * num_tokens, start, stop, block_size)
    for block in range(start // block_size, -(-stop // block_size)):
        row = (load_int(blocks, block) * num_kv_heads + head) * block_size * size
        _widen(like, values, row, wide, block_size * size)
        for group in range(num_groups):
            weights = scratch + 4 * (group * num_tokens + block * block_size)
            _add_weighted(weights, wide, mixed + 4 * group * size, block_size, size)


@compiled
def _rotate(like: Any, heads: int, head: int, cos: int, sin: int, row: int, size: int) -> None:
    """Turn the two halves of a head against each other; rounded as `Rotation.split` rounds."""
    half = size // 2
    for i in range(half):
        first, second = load(like, heads, head + i), load(like, heads, head + half + i)
        turned = rounded(like, first * load(like, cos, row + i)) + second * load(like, sin, row + i)
        other = rounded(like, second * load(like, cos, row + half + i)) + first * load(like, sin, row + half + i)
        store(like, heads, head + i, turned)
        store(like, heads, head + half + i, other)


@compiled
def _copy(like: Any, source: int, first: int, target: int, to: int, size: int) -> None:
    for i in range(size):
        store(like, target, to + i, load(like, source, first + i))


@compiled
def _widen(like: Any, kept: int, first: int, wide: int, size: int) -> None:
    for i in range(size):
        store(FLOAT32, wide, i, load(like, kept, first + i))


@compiled
def _multiply(query: int, keys: int, scores: int, block_size: int, size: int) -> None:
    """Scores `[block_size]` of one query `[size]`."""
    for token in range(block_size):
        score = np.float32(0)
        for i in range(size):
            score += load(FLOAT32, query, i) * load(FLOAT32, keys, token * size + i)
        store(FLOAT32, scores, token, score)


@compiled
def _softmax(scores: int, start: int, stop: int, block_size: int) -> None:
    """In place, over those from start to stop; 0 for the others of the first and the last block."""
    largest, total = np.float32(-np.inf), np.float32(0)
    for token in range(start, stop):
        largest = max(largest, load(FLOAT32, scores, token))
    for token in range(start, stop):
        weight = exp(load(FLOAT32, scores, token) - largest)
        store(FLOAT32, scores, token, weight)
        total += weight
    scale = np.float32(1) / total
    for token in range(start, stop):
        store(FLOAT32, scores, token, load(FLOAT32, scores, token) * scale)
    for token in range(start // block_size * block_size, start):
        store(FLOAT32, scores, token, np.float32(0))
    for token in range(stop, -(-stop // block_size) * block_size):
        store(FLOAT32, scores, token, np.float32(0))


@compiled
def _add_weighted(weights: int, values: int, mixed: int, block_size: int, size: int) -> None:
    """Add the values of one block, each times its weight, to mixed `[size]`; four at a time, if a block is of fours."""
    whole = block_size - block_size % 4
    for token in range(0, whole, 4):
        one, two = load(FLOAT32, weights, token), load(FLOAT32, weights, token + 1)
        three, four = load(FLOAT32, weights, token + 2), load(FLOAT32, weights, token + 3)
        first = token * size
        for i in range(size):
            value = one * load(FLOAT32, values, first + i) + two * load(FLOAT32, values, first + size + i)
            value += three * load(FLOAT32, values, first + 2 * size + i)
            value += four * load(FLOAT32, values, first + 3 * size + i)
            store(FLOAT32, mixed, i, load(FLOAT32, mixed, i) + value)
    for token in range(whole, block_size):
        for i in range(size):
            added = load(FLOAT32, weights, token) * load(FLOAT32, values, token * size + i)
            store(FLOAT32, mixed, i, load(FLOAT32, mixed, i) + added)
