"""Operations on few rows, compiled for the processor by numba: torch takes longer to begin one than it takes to run.

Tensors come as addresses of contiguous numbers. `like` is a number of their type: float32, or uint16 for bfloat16,
which is widened to compute and rounded where transformers rounds.
"""

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

_intrinsic: Any = intrinsic  # its type does not tell that a call leaves the first parameter out
_INT16, _INT32, _INT64, _FLOAT = ir.IntType(16), ir.IntType(32), ir.IntType(64), ir.FloatType()
_FLOAT32 = np.float32(0)
_LOG2_E, _LN_2 = np.float32(1.4426950408889634), np.float32(0.6931471805599453)


def _compiled(function: Any) -> Any:
    """Reordering of sums is allowed, and numbers are taken to be numbers; the machine code is kept on disk."""
    options: Any = {"nogil": True, "error_model": "numpy", "fastmath": {"reassoc", "contract", "arcp", "nsz", "nnan"}}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder to keep it in can be written to
        return numba.njit(**options)(function)


def _element(builder: Any, kind: Any, address: Any, index: Any) -> Any:
    return builder.gep(builder.inttoptr(address, kind.as_pointer()), [index])


def _bfloat16_bits(builder: Any, value: Any) -> Any:
    """To the nearest, ties to even; in the upper half of 32 bits."""
    bits = builder.bitcast(value, _INT32)
    last = builder.and_(builder.lshr(bits, ir.Constant(_INT32, 16)), ir.Constant(_INT32, 1))
    return builder.add(bits, builder.add(last, ir.Constant(_INT32, 0x7FFF)))


@_intrinsic
def _load(_: Any, like: Any, address: Any, index: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if like == types.float32:
            return builder.load(_element(builder, _FLOAT, *arguments[1:]), align=4)
        half = builder.zext(builder.load(_element(builder, _INT16, *arguments[1:]), align=2), _INT32)
        return builder.bitcast(builder.shl(half, ir.Constant(_INT32, 16)), _FLOAT)

    return types.float32(like, types.int64, types.int64), generate


@_intrinsic
def _store(_: Any, like: Any, address: Any, index: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, address, index, value = arguments
        if like == types.float32:
            builder.store(value, _element(builder, _FLOAT, address, index), align=4)
        else:
            bits = builder.lshr(_bfloat16_bits(builder, value), ir.Constant(_INT32, 16))
            builder.store(builder.trunc(bits, _INT16), _element(builder, _INT16, address, index), align=2)
        return context.get_dummy_value()

    return types.void(like, types.int64, types.int64, types.float32), generate


@_intrinsic
def _rounded(_: Any, like: Any, value: Any) -> Any:
    """As the type of `like` would keep it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if like == types.float32:
            return arguments[1]
        bits = builder.and_(_bfloat16_bits(builder, arguments[1]), ir.Constant(_INT32, 0xFFFF0000))
        return builder.bitcast(bits, _FLOAT)

    return types.float32(like, types.float32), generate


@_intrinsic
def _load_int(_: Any, address: Any, index: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_element(builder, _INT64, *arguments), align=8)

    return types.int64(types.int64, types.int64), generate


@_intrinsic
def _truncated(_: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fptosi(arguments[0], _INT32)

    return types.int32(types.float32), generate


@_intrinsic
def _power_of_two(_: Any, biased: Any) -> Any:
    """2 to the power of `biased` less 127."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(builder.shl(arguments[0], ir.Constant(_INT32, 23)), _FLOAT)

    return types.float32(types.int32), generate


@_compiled
def _exp(x: Any) -> Any:
    """To 2e-7 of its size; the library's own cannot be computed for many numbers at once."""
    power = min(max(x * _LOG2_E, np.float32(-126)), np.float32(126))
    biased = _truncated(power + np.float32(127.5))
    rest = (power - (np.float32(biased) - np.float32(127))) * _LN_2
    series = rest * np.float32(1 / 720) + np.float32(1 / 120)
    for coefficient in (1 / 24, 1 / 6, 1 / 2, 1.0, 1.0):
        series = series * rest + np.float32(coefficient)
    return series * _power_of_two(biased)


@_compiled
def add_norm(
    like: Any, x: int, added: int, weight: int, total: int, out: int, num_rows: int, size: int, eps: Any
) -> None:
    """Root mean square norm (arXiv 1910.07467) of `[num_rows, size]`; of the sum, if `added` is not 0."""
    for start in range(0, num_rows * size, size):
        if added != 0:
            for i in range(start, start + size):
                _store(like, total, i, _load(like, x, i) + _load(like, added, i))
        squares = np.float32(0)
        for i in range(start, start + size):
            value = _load(like, total, i)
            squares += value * value
        scale = np.float32(1) / np.sqrt(squares / np.float32(size) + eps)
        for i in range(size):
            normed = _rounded(like, _load(like, total, start + i) * scale)
            _store(like, out, start + i, normed * _load(like, weight, i))


@_compiled
def silu_gate(like: Any, gate_up: int, out: int, num_rows: int, size: int) -> None:
    """silu(gate) * up (SwiGLU, arXiv 2002.05202): `[num_rows, 2 * size]` to `[num_rows, size]`."""
    for row in range(num_rows):
        gates, start = 2 * row * size, row * size
        for i in range(size):
            gate = _load(like, gate_up, gates + i)
            opened = _rounded(like, gate / (np.float32(1) + _exp(-gate)))
            _store(like, out, start + i, opened * _load(like, gate_up, gates + size + i))


@_compiled
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
            slot, key = _load_int(slots, row * num_kv_heads + head) * size, start + (num_heads + head) * size
            _copy(like, heads, key, keys, slot, size)
            _copy(like, heads, key + num_kv_heads * size, values, slot, size)


def attend_scratch(num_groups: int, size: int, block_size: int, num_blocks: int) -> int:
    """Float32 numbers that `attend` needs: scores, queries, their results, and a block widened."""
    return num_groups * (block_size * num_blocks + 2 * size) + block_size * size


@_compiled
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
        stop = _load_int(positions, row) + 1
        seen = (max(0, stop - window) if window > 0 else 0, stop)
        kept = (keys, values, blocks + 8 * row * num_blocks)
        for head in range(num_kv_heads):
            of_head = head * num_groups * size
            _attend_group(like, queries, row * stride + of_head, kept, head, seen, scratch, sizes, scaling)
            target = row * num_kv_heads * num_groups * size + of_head
            for i in range(num_groups * size):
                _store(like, out, target + i, _load(_FLOAT32, mixed, i))


@_compiled
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
        _store(_FLOAT32, query, i, _load(like, heads, first + i) * scaling)
        _store(_FLOAT32, mixed, i, np.float32(0))
    for block in range(start // block_size, -(-stop // block_size)):
        row = (_load_int(blocks, block) * num_kv_heads + head) * block_size * size
        _widen(like, keys, row, wide, block_size * size)
        for group in range(num_groups):
            scores = scratch + 4 * (group * num_tokens + block * block_size)
            _multiply(query + 4 * group * size, wide, scores, block_size, size)
    for group in range(num_groups):
        _softmax(scratch + 4 * group * num_tokens, start, stop, block_size)
    for block in range(start // block_size, -(-stop // block_size)):
        row = (_load_int(blocks, block) * num_kv_heads + head) * block_size * size
        _widen(like, values, row, wide, block_size * size)
        for group in range(num_groups):
            weights = scratch + 4 * (group * num_tokens + block * block_size)
            _add_weighted(weights, wide, mixed + 4 * group * size, block_size, size)


@_compiled
def _rotate(like: Any, heads: int, head: int, cos: int, sin: int, row: int, size: int) -> None:
    """Turn the two halves of a head against each other."""
    half = size // 2
    for i in range(half):
        first, second = _load(like, heads, head + i), _load(like, heads, head + half + i)
        turned = _rounded(like, first * _load(like, cos, row + i))
        other = _rounded(like, second * _load(like, cos, row + half + i))
        turned += _rounded(like, second * _load(like, sin, row + i))
        other += _rounded(like, first * _load(like, sin, row + half + i))
        _store(like, heads, head + i, turned)
        _store(like, heads, head + half + i, other)


@_compiled
def _copy(like: Any, source: int, first: int, target: int, to: int, size: int) -> None:
    for i in range(size):
        _store(like, target, to + i, _load(like, source, first + i))


@_compiled
def _widen(like: Any, kept: int, first: int, wide: int, size: int) -> None:
    for i in range(size):
        _store(_FLOAT32, wide, i, _load(like, kept, first + i))


@_compiled
def _multiply(query: int, keys: int, scores: int, block_size: int, size: int) -> None:
    """Scores `[block_size]` of one query `[size]`."""
    for token in range(block_size):
        score = np.float32(0)
        for i in range(size):
            score += _load(_FLOAT32, query, i) * _load(_FLOAT32, keys, token * size + i)
        _store(_FLOAT32, scores, token, score)


@_compiled
def _softmax(scores: int, start: int, stop: int, block_size: int) -> None:
    """In place, over those from start to stop; 0 for the others of the first and the last block."""
    largest, total = np.float32(-np.inf), np.float32(0)
    for token in range(start, stop):
        largest = max(largest, _load(_FLOAT32, scores, token))
    for token in range(start, stop):
        weight = _exp(_load(_FLOAT32, scores, token) - largest)
        _store(_FLOAT32, scores, token, weight)
        total += weight
    scale = np.float32(1) / total
    for token in range(start, stop):
        _store(_FLOAT32, scores, token, _load(_FLOAT32, scores, token) * scale)
    for token in range(start // block_size * block_size, start):
        _store(_FLOAT32, scores, token, np.float32(0))
    for token in range(stop, -(-stop // block_size) * block_size):
        _store(_FLOAT32, scores, token, np.float32(0))


@_compiled
def _add_weighted(weights: int, values: int, mixed: int, block_size: int, size: int) -> None:
    """Add the values of one block, each times its weight, to mixed `[size]`; four at a time, if a block is of fours."""
    whole = block_size - block_size % 4
    for token in range(0, whole, 4):
        one, two = _load(_FLOAT32, weights, token), _load(_FLOAT32, weights, token + 1)
        three, four = _load(_FLOAT32, weights, token + 2), _load(_FLOAT32, weights, token + 3)
        first = token * size
        for i in range(size):
            value = one * _load(_FLOAT32, values, first + i) + two * _load(_FLOAT32, values, first + size + i)
            value += three * _load(_FLOAT32, values, first + 2 * size + i)
            value += four * _load(_FLOAT32, values, first + 3 * size + i)
            _store(_FLOAT32, mixed, i, _load(_FLOAT32, mixed, i) + value)
    for token in range(whole, block_size):
        for i in range(size):
            added = _load(_FLOAT32, weights, token) * _load(_FLOAT32, values, token * size + i)
            _store(_FLOAT32, mixed, i, _load(_FLOAT32, mixed, i) + added)
