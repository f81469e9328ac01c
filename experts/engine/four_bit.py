"""Weights in four bits, for the few rows of one stream's decoding: what is read from memory is what takes the time."""

import torch
from torch import Tensor

GROUP = 32
"""Neighbouring weights of a row that share scale and offset; as in the Q4_1 files that small models are shipped in."""
MOST_ROWS = 4
"""Up to it, torch's product of four-bit weights is faster than the one of bfloat16 weights."""


class FourBit:
    """A weight `[out, in]` rounded to 16 levels between the least and the largest of each group.

    A weight that came from a Q4_1 file has no other levels, so that rounding scale and offset to bfloat16 is all that
    changes it (0.2 % of its size; bfloat16 itself rounds by 0.1 %).
    """

    def __init__(self, weight: Tensor) -> None:
        levels, scales = _rounded(weight)
        self._packed = torch.ops.aten._convert_weight_to_int4pack_for_cpu(levels, 1)
        self._scales = scales.transpose(0, 1).contiguous()
        self.num_bytes = self._packed.nbytes + self._scales.nbytes

    def __call__(self, inputs: Tensor) -> Tensor:
        """`[num_rows, in]` to `[num_rows, out]`."""
        return torch.ops.aten._weight_int4pack_mm_for_cpu(inputs, self._packed, GROUP, self._scales)


def fits(weight: Tensor) -> bool:
    """Whether the kernel takes a weight of this shape."""
    return weight.shape[0] % 16 == 0 and weight.shape[1] % GROUP == 0


def _rounded(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Levels 0 to 15 `[out, in]`; scale and offset of level 8 of each group, `[out, in / GROUP, 2]`."""
    groups = weight.float().unflatten(1, (-1, GROUP))
    least, largest = groups.amin(-1), groups.amax(-1)
    scale = ((largest - least) / 15).clamp(min=torch.finfo(torch.float32).tiny)
    scales = torch.stack([scale, least + 8 * scale], dim=-1).to(weight.dtype)
    scale, offset = scales.float()[..., None].unbind(-2)
    levels = ((groups - offset) / scale.clamp(min=torch.finfo(torch.float32).tiny) + 8).round().clamp(0, 15)
    return levels.flatten(1).int(), scales
