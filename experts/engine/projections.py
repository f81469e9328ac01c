"""The weights of decoder layers, prepared for matrix products with few rows.

Projections of the same input are one product: query, key and value; gate and up. On processors that multiply bfloat16,
weights are kept in oneDNN's blocked layout, which reads them up to twice as fast as the plain one.
"""

from collections.abc import Iterable
from collections.abc import Sequence as Many
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

GROUPS = (
    ("self_attn", ("q_proj", "k_proj", "v_proj")),
    ("self_attn", ("o_proj",)),
    ("mlp", ("gate_proj", "up_proj")),
    ("mlp", ("down_proj",)),
)
_PACKED_FOR = 16
"""Rows that the blocked layout is chosen for."""


def prepare(layers: Iterable[nn.Module]) -> None:
    """Prepare the projections of decoder layers in place, where a layer has them.

    Modules and weights keep names and shapes. A weight that has been packed is given up: what is left of it has no data
    (device "meta").
    """
    for layer in layers:
        for parent_name, names in GROUPS:
            parent: Any = getattr(layer, parent_name, None)
            linears = [getattr(parent, name, None) for name in names]
            if all(isinstance(linear, nn.Linear) for linear in linears):
                for name, part in zip(names, _parts(linears, keep_weights=False), strict=True):
                    setattr(parent, name, part)


def prepared(head: nn.Module) -> nn.Module:
    """A prepared copy of the output projection, whose weight may be the embeddings too."""
    return _parts([head], keep_weights=True)[0] if isinstance(head, nn.Linear) else head


def can_pack(weight: Tensor) -> bool:
    """Whether the blocked layout exists for this weight."""
    return (
        weight.device.type == "cpu"
        and weight.dtype == torch.bfloat16
        and torch.backends.mkldnn.is_available()
        and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )


def _parts(linears: Many[Any], *, keep_weights: bool) -> list["Part"]:
    sizes = [linear.out_features for linear in linears]
    weight = torch.cat([linear.weight for linear in linears]) if len(linears) > 1 else linears[0].weight.detach()
    bias = None if linears[0].bias is None else torch.cat([linear.bias for linear in linears])
    product = Product(weight, bias)
    if can_pack(weight) and not keep_weights:
        weight = weight.to("meta")
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    return [Part(product, weight, slice(end - size, end)) for size, end in zip(sizes, ends, strict=True)]


class Product:
    """A matrix product that several projections share: they ask for the same input one after another."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self.num_rows, self.bias = len(weight), bias
        self._is_packed = can_pack(weight)
        reorder = torch.ops.mkldnn._reorder_linear_weight
        self._weight = reorder(weight, _PACKED_FOR) if self._is_packed else weight
        self._input: Tensor | None = None
        self._output: Tensor | None = None

    def of(self, inputs: Tensor, *, is_last: bool) -> Tensor:
        """`[…, num_rows]`; computed for the first part, kept until the last one."""
        if self._input is not inputs or self._output is None:
            self._input, self._output = inputs, self._compute(inputs)
        output = self._output
        if is_last:
            self._input = self._output = None
        return output

    def _compute(self, inputs: Tensor) -> Tensor:
        if self._is_packed:
            return torch.ops.mkldnn._linear_pointwise(inputs, self._weight, self.bias, "none", [], "")
        return functional.linear(inputs, self._weight, self.bias)


class Part(nn.Linear):
    """One projection of a product."""

    def __init__(self, product: Product, weight: Tensor, rows: slice) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = weight.shape[1], rows.stop - rows.start
        self.weight = nn.Parameter(weight[rows], requires_grad=False)
        bias = None if product.bias is None else nn.Parameter(product.bias[rows], requires_grad=False)
        self.register_parameter("bias", bias)
        self._product, self._rows = product, rows
        self._is_whole, self._is_last = self.out_features == product.num_rows, rows.stop == product.num_rows

    def forward(self, input: Tensor) -> Tensor:
        output = self._product.of(input, is_last=self._is_last)
        return output if self._is_whole else output[..., self._rows]
