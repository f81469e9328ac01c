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

from experts.engine.four_bit import MOST_ROWS, FourBit, fits
from experts.engine.low_rank import Delta, row_step

GROUPS = (
    ("self_attn", ("q_proj", "k_proj", "v_proj")),
    ("self_attn", ("o_proj",)),
    ("mlp", ("gate_proj", "up_proj")),
    ("mlp", ("down_proj",)),
)
_PACKED_FOR = 16
"""Rows that the blocked layout is chosen for."""


class Weights:
    """The weights of one product, `[out, in]`, in the layout that is fastest on their device."""

    def __init__(self, weight: Tensor, bias: Tensor | None, *, four_bit: bool = False) -> None:
        self.num_outputs, self._bias = len(weight), bias
        self._is_packed = can_pack(weight)
        self._four_bit = FourBit(weight) if four_bit and self._is_packed and fits(weight) else None
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight, _PACKED_FOR) if self._is_packed else weight
        self.num_bytes = weight.nbytes + (0 if bias is None else bias.nbytes)
        self.num_bytes += 0 if self._four_bit is None else self._four_bit.num_bytes

    def __call__(self, inputs: Tensor) -> Tensor:
        if not self._is_packed:
            return functional.linear(inputs, self._weight, self._bias)
        if inputs.dim() == 2:
            return self._of_rows(inputs)
        return self._of_rows(inputs.reshape(-1, inputs.shape[-1])).view(*inputs.shape[:-1], self.num_outputs)

    def _of_rows(self, rows: Tensor) -> Tensor:
        num_rows = rows.shape[0]
        if self._four_bit is not None and num_rows <= MOST_ROWS:
            output = self._four_bit(rows)
            return output if self._bias is None else output + self._bias
        if missing := -num_rows % row_step(num_rows):
            rows = functional.pad(rows, (0, 0, 0, missing))
        output = torch.ops.mkldnn._linear_pointwise(rows, self._weight, self._bias, "none", [], "")
        return output[:num_rows] if missing else output


class Product:
    """A matrix product that several projections share, with what an expert adds to it."""

    def __init__(self, weights: Weights, delta: Delta | None = None) -> None:
        self.weights, self.delta = weights, delta
        self._input: Tensor | None = None
        self._output: Tensor | None = None

    def of(self, inputs: Tensor, *, is_last: bool) -> Tensor:
        """`[…, out]`; computed for the first projection that asks for this input, kept until the last one has."""
        if self._input is not inputs or self._output is None:
            self._input, self._output = inputs, self._compute(inputs)
        output = self._output
        if is_last:
            self._input = self._output = None
        return output

    def _compute(self, inputs: Tensor) -> Tensor:
        output = self.weights(inputs)
        if self.delta is not None:
            self.delta.add_to(output.view(-1, output.shape[-1]), inputs.reshape(-1, inputs.shape[-1]))
        return output


class Part(nn.Linear):
    """One projection of a product."""

    def __init__(self, product: Product, weight: Tensor, bias: Tensor | None, rows: slice) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = weight.shape[1], rows.stop - rows.start
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.register_parameter("bias", None if bias is None else nn.Parameter(bias, requires_grad=False))
        self.product, self._rows = product, rows
        num_outputs = product.weights.num_outputs
        self._is_whole, self._is_last = self.out_features == num_outputs, rows.stop == num_outputs

    def of(self, product: Product) -> "Part":
        """The same projection of another product."""
        bias: Any = self.bias
        return Part(product, self.weight.data, None if bias is None else bias.data, self._rows)

    def forward(self, input: Tensor) -> Tensor:
        output = self.product.of(input, is_last=self._is_last)
        return output if self._is_whole else output[..., self._rows]


def prepare(layers: Iterable[nn.Module], *, four_bit: bool = False) -> None:
    """Prepare the projections of decoder layers in place, where a layer has them; in four bits too, for few rows.

    Modules and weights keep names and shapes. A weight that has been packed is given up: what is left of it has no data
    (device "meta").
    """
    for layer in layers:
        for parent_name, names in GROUPS:
            parent: Any = getattr(layer, parent_name, None)
            linears = [getattr(parent, name, None) for name in names]
            if all(isinstance(linear, nn.Linear) for linear in linears):
                for name, part in zip(names, _parts(linears, four_bit), strict=True):
                    setattr(parent, name, part)


def prepared(head: nn.Module) -> nn.Module:
    """The output projection, prepared."""
    return _parts([head], four_bit=False)[0] if isinstance(head, nn.Linear) else head


def num_bytes(module: nn.Module) -> int:
    """Of the weights in memory, prepared or not."""
    parts = [part for part in module.modules() if isinstance(part, Part)]
    weights = {id(part.product.weights): part.product.weights for part in parts}
    in_parts = {id(parameter) for part in parts for parameter in part.parameters()}
    others = sum(parameter.nbytes for parameter in module.parameters() if id(parameter) not in in_parts)
    return others + sum(one.num_bytes for one in weights.values())


def can_pack(weight: Tensor) -> bool:
    """Whether the blocked layout exists for this weight."""
    return (
        weight.device.type == "cpu"
        and weight.dtype == torch.bfloat16
        and torch.backends.mkldnn.is_available()
        and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )


def _parts(linears: Many[Any], four_bit: bool) -> list[Part]:
    """Parts of one product. Unpacked, their weights are views of the product's."""
    sizes = [linear.out_features for linear in linears]
    weight = torch.cat([linear.weight for linear in linears]) if len(linears) > 1 else linears[0].weight.detach()
    bias = None if linears[0].bias is None else torch.cat([linear.bias for linear in linears])
    product = Product(Weights(weight, bias, four_bit=four_bit))
    if can_pack(weight):
        weight = weight.to("meta")
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    rows = [slice(end - size, end) for size, end in zip(sizes, ends, strict=True)]
    return [Part(product, weight[part], None if bias is None else bias[part], part) for part in rows]
