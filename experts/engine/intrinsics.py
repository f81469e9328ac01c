"""What compiled code does with addresses and bits: numbers of tensors, read and written as float32."""

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

_intrinsic: Any = intrinsic  # its type does not tell that a call leaves the first parameter out
_INT16, _INT32, _INT64, _FLOAT = ir.IntType(16), ir.IntType(32), ir.IntType(64), ir.FloatType()
FLOAT32 = np.float32(0)
_LOG2_E, _LN_2 = np.float32(1.4426950408889634), np.float32(0.6931471805599453)


def compiled(function: Any) -> Any:
    """Reordering of sums is allowed, and numbers are taken to be numbers; the machine code is kept on disk.

    It is made anew when the file of the function changes, not when this one does: `make clean` then.
    """
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
def load(_: Any, like: Any, address: Any, index: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if like == types.float32:
            return builder.load(_element(builder, _FLOAT, *arguments[1:]), align=4)
        half = builder.zext(builder.load(_element(builder, _INT16, *arguments[1:]), align=2), _INT32)
        return builder.bitcast(builder.shl(half, ir.Constant(_INT32, 16)), _FLOAT)

    return types.float32(like, types.int64, types.int64), generate


@_intrinsic
def store(_: Any, like: Any, address: Any, index: Any, value: Any) -> Any:
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
def rounded(_: Any, like: Any, value: Any) -> Any:
    """As the type of `like` would keep it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if like == types.float32:
            return arguments[1]
        bits = builder.and_(_bfloat16_bits(builder, arguments[1]), ir.Constant(_INT32, 0xFFFF0000))
        return builder.bitcast(bits, _FLOAT)

    return types.float32(like, types.float32), generate


@_intrinsic
def load_int(_: Any, address: Any, index: Any) -> Any:
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


@compiled
def exp(x: Any) -> Any:
    """To 2e-7 of its size; the library's own cannot be computed for many numbers at once."""
    power = min(max(x * _LOG2_E, np.float32(-126)), np.float32(126))
    biased = _truncated(power + np.float32(127.5))
    rest = (power - (np.float32(biased) - np.float32(127))) * _LN_2
    series = rest * np.float32(1 / 720) + np.float32(1 / 120)
    for coefficient in (1 / 24, 1 / 6, 1 / 2, 1.0, 1.0):
        series = series * rest + np.float32(coefficient)
    return series * _power_of_two(biased)
