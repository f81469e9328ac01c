"""Weights in four bits multiply as the weights that they stand for."""

import pytest
import torch

from experts.engine.four_bit import GROUP, FourBit, fits
from experts.engine.projections import Weights, can_pack

WEIGHT = torch.randn(48, 2 * GROUP, generator=torch.Generator().manual_seed(0)).bfloat16()
needs_bfloat16 = pytest.mark.skipif(not can_pack(WEIGHT), reason="this processor does not multiply bfloat16")


def sixteen_levels() -> torch.Tensor:
    """A weight as a Q4_1 file has it: each group on 16 levels of its own, the outer ones used."""
    levels = torch.randint(0, 16, (48, 2, GROUP), generator=torch.Generator().manual_seed(1))
    levels[..., 0], levels[..., 1] = 0, 15
    scale, least = torch.rand(2, 48, 2, 1, generator=torch.Generator().manual_seed(2))
    return (levels * (scale + 0.1) - 8 * least).flatten(1)


def as_rounded(weight: torch.Tensor) -> torch.Tensor:
    """The weight that its four-bit form stands for."""
    return FourBit(weight)(torch.eye(weight.shape[1]).bfloat16()).T


def test_a_weight_on_sixteen_levels_keeps_its_values() -> None:
    weight = sixteen_levels().bfloat16()

    torch.testing.assert_close(as_rounded(weight), weight, rtol=0.01, atol=0.04)  # the least level is 0.1


def test_another_weight_is_off_by_less_than_half_a_level() -> None:
    groups = WEIGHT.float().unflatten(1, (-1, GROUP))
    level = (groups.amax(-1, keepdim=True) - groups.amin(-1, keepdim=True)) / 15
    error = (as_rounded(WEIGHT).float() - WEIGHT.float()).abs().unflatten(1, (-1, GROUP))

    assert (error <= 0.6 * level).all()
    assert error.max() > 0


def test_a_constant_group_is_kept() -> None:
    weight = torch.full((16, GROUP), 0.5).bfloat16()

    assert torch.equal(as_rounded(weight), weight)


@needs_bfloat16
def test_four_rows_use_the_rounded_weight_and_five_the_full_one() -> None:
    bias = torch.randn(48).bfloat16()
    weights = Weights(WEIGHT, bias, four_bit=True)
    few, many = torch.randn(4, 2 * GROUP).bfloat16(), torch.randn(5, 2 * GROUP).bfloat16()

    assert weights.num_bytes > Weights(WEIGHT, bias).num_bytes
    torch.testing.assert_close(weights(few), few @ as_rounded(WEIGHT).T + bias, rtol=0.02, atol=0.1)
    torch.testing.assert_close(weights(many), torch.nn.functional.linear(many, WEIGHT, bias), rtol=0.02, atol=0.1)


@needs_bfloat16
def test_a_shape_that_the_kernel_does_not_take_stays_full() -> None:
    weight = torch.randn(10, 30).bfloat16()

    assert not fits(weight)
    assert Weights(weight, None, four_bit=True).num_bytes == weight.nbytes
