"""Compiled operations compute what transformers' modules do, to the last bit of bfloat16 but for the order of sums."""

import pytest
import torch
from torch import nn
from transformers.activations import ACT2FN
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from experts.engine.operations import Gate, Norm, number_like_few

NUM_ROWS = [1, 3, 16, 17]
"""The last one is too many for the compiled form."""
DTYPES = [torch.float32, torch.bfloat16]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("num_rows", NUM_ROWS)
def test_a_norm_is_that_of_the_sum(num_rows: int, dtype: torch.dtype) -> None:
    module = LlamaRMSNorm(48, eps=1e-5).to(dtype)
    nn.init.normal_(module.weight)
    hidden, added = torch.randn(2, num_rows, 48).to(dtype)

    for total, normed, expected in [(*Norm(module)(hidden), hidden), (*Norm(module)(hidden, added), hidden + added)]:
        assert torch.equal(total, expected)
        torch.testing.assert_close(normed, module(expected), rtol=max(1e-5, 2 * torch.finfo(dtype).eps), atol=1e-5)


def test_a_norm_of_another_kind_is_left_to_its_module() -> None:
    module = nn.LayerNorm(48)
    hidden = torch.randn(2, 48)

    total, normed = Norm(module)(hidden, hidden)

    assert torch.equal(total, 2 * hidden)
    assert torch.equal(normed, module(2 * hidden))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("num_rows", NUM_ROWS)
@pytest.mark.parametrize("name", ["silu", "gelu_pytorch_tanh"])
def test_a_gate_opens_by_its_activation(name: str, num_rows: int, dtype: torch.dtype) -> None:
    gate_up = (8 * torch.randn(num_rows, 2 * 40)).to(dtype)
    activation = ACT2FN[name]

    found = Gate(activation)(gate_up)

    gate, up = gate_up.chunk(2, dim=-1)
    torch.testing.assert_close(found, activation(gate) * up, rtol=max(1e-5, 2 * torch.finfo(dtype).eps), atol=1e-5)


def test_a_gate_far_from_zero_is_shut_or_open() -> None:
    gate_up = torch.tensor([[-1e4, -200.0, 200.0, 1e4, 1.0, 1.0, 1.0, 1.0]])

    torch.testing.assert_close(Gate(ACT2FN["silu"])(gate_up), torch.tensor([[0.0, 0.0, 200.0, 1e4]]))


def test_few_plain_rows_are_compiled_and_others_are_not() -> None:
    rows = torch.zeros(16, 8)

    assert number_like_few(rows) is not None
    assert number_like_few(rows.bfloat16()) is not None
    assert number_like_few(torch.zeros(17, 8)) is None
    assert number_like_few(rows.half()) is None
    assert number_like_few(rows[:, :4]) is None
    assert number_like_few(rows.to("meta")) is None
