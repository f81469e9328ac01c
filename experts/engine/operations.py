"""What a decoder layer does besides its matrix products: compiled where rows are few and on a CPU, else by torch."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.activations import SiLUActivation

from experts.engine import kernels

_FEW_ROWS = 16
"""Up to it, one thread of compiled code is faster than torch's operations on all of them."""
_LIKE: dict[torch.dtype, Any] = {torch.float32: np.float32(0), torch.bfloat16: np.uint16(0)}


def number_like(tensor: Tensor) -> Any:
    """A number of the kernels' type for this tensor; None if its device or type is not theirs."""
    return _LIKE.get(tensor.dtype) if tensor.is_cpu else None


def number_like_few(rows: Tensor) -> Any:
    """The same for few contiguous rows; None for others, which torch is faster for."""
    return number_like(rows) if rows.shape[0] <= _FEW_ROWS and rows.is_contiguous() else None


class Norm:
    """Root mean square norm (arXiv 1910.07467) of `[num_rows, hidden]`, or whatever else a module does."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        weight: Any = module.weight if hasattr(module, "variance_epsilon") else None
        self._weight: Tensor | None = weight
        self._eps = np.float32(getattr(module, "variance_epsilon", 0.0))

    def __call__(self, hidden: Tensor, added: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The sum of both, and its norm."""
        weight, like = self._weight, number_like_few(hidden)
        if weight is None or like is None or weight.dtype != hidden.dtype:
            total = hidden if added is None else hidden + added
            return total, self._normed(total)
        added = added if added is None else added.contiguous()
        total = hidden if added is None else torch.empty_like(hidden)
        normed = torch.empty_like(hidden)
        terms = (hidden.data_ptr(), 0 if added is None else added.data_ptr(), weight.data_ptr())
        kernels.add_norm(like, *terms, total.data_ptr(), normed.data_ptr(), *hidden.shape, self._eps)
        return total, normed

    def _normed(self, hidden: Tensor) -> Tensor:
        if self._weight is None:
            return self._module(hidden)
        return functional.rms_norm(hidden, self._weight.shape, self._weight, float(self._eps))


class Gate:
    """activation(gate) * up: `[num_rows, 2 * size]` to `[num_rows, size]`."""

    def __init__(self, activation: nn.Module) -> None:
        self._activation, self._is_silu = activation, isinstance(activation, SiLUActivation | nn.SiLU)

    def __call__(self, gate_up: Tensor) -> Tensor:
        like = number_like_few(gate_up) if self._is_silu else None
        if like is None:
            gate, up = gate_up.chunk(2, dim=-1)
            return self._activation(gate) * up
        num_rows, size = gate_up.shape[0], gate_up.shape[1] // 2
        out = gate_up.new_empty(num_rows, size)
        kernels.silu_gate(like, gate_up.data_ptr(), out.data_ptr(), num_rows, size)
        return out
