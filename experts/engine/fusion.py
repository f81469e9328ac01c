"""Projections of the same input as one matrix product: query, key and value; gate and up."""

from collections.abc import Iterable
from collections.abc import Sequence as Many
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

GROUPS = (("self_attn", ("q_proj", "k_proj", "v_proj")), ("mlp", ("gate_proj", "up_proj")))


def fuse(layers: Iterable[nn.Module]) -> None:
    """Fuse the projections of decoder layers in place, where a layer has them; done anew, it follows new weights.

    The modules and their weights keep names, shapes and values; the weights become views of one tensor.
    """
    for layer in layers:
        for parent_name, names in GROUPS:
            parent: Any = getattr(layer, parent_name, None)
            linears = [getattr(parent, name, None) for name in names]
            if all(isinstance(linear, nn.Linear) for linear in linears):
                for name, part in zip(names, _parts(linears), strict=True):
                    setattr(parent, name, part)


def _parts(linears: Many[Any]) -> list["FusedPart"]:
    sizes = [linear.out_features for linear in linears]
    weight = torch.cat([linear.weight for linear in linears])
    bias = None if linears[0].bias is None else torch.cat([linear.bias for linear in linears])
    product = _Product(weight, bias)
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    return [FusedPart(product, slice(end - size, end)) for size, end in zip(sizes, ends, strict=True)]


class _Product:
    """The whole product of the last input; the parts ask for it one after another."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self.weight, self.bias = weight, bias
        self._input: Tensor | None = None
        self._output: Tensor | None = None

    def of(self, inputs: Tensor, *, is_last: bool) -> Tensor:
        """`[…, sum of the parts]`; computed for the first part, kept until the last one."""
        if self._input is not inputs or self._output is None:
            self._input, self._output = inputs, functional.linear(inputs, self.weight, self.bias)
        output = self._output
        if is_last:
            self._input = self._output = None
        return output


class FusedPart(nn.Linear):
    """One projection of a fused group."""

    def __init__(self, product: _Product, rows: slice) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = product.weight.shape[1], rows.stop - rows.start
        self.weight = nn.Parameter(product.weight[rows], requires_grad=False)
        bias = None if product.bias is None else nn.Parameter(product.bias[rows], requires_grad=False)
        self.register_parameter("bias", bias)
        self._product, self._rows = product, rows
        self._is_last = rows.stop == len(product.weight)

    def forward(self, input: Tensor) -> Tensor:
        return self._product.of(input, is_last=self._is_last)[..., self._rows]
