"""Prepared projections compute what they computed before."""

from collections.abc import Iterator

import pytest
import torch

from experts.backbone import Backbone
from experts.engine.projections import Part, can_pack, prepare, prepared

TOKENS = torch.arange(20)[None]


@pytest.fixture(params=["float32", "bfloat16"])
def model(request: pytest.FixtureRequest, backbone: Backbone) -> Iterator[Backbone]:
    backbone.model.to(getattr(torch, request.param))
    yield backbone


def test_prepared_layers_give_the_same_and_keep_names_and_shapes(model: Backbone) -> None:
    before = {name: tensor.clone() for name, tensor in model.model.state_dict().items()}
    expected = model.model(TOKENS).logits

    prepare(model.layers)

    assert isinstance(model.layers[0].get_submodule("self_attn.q_proj"), Part)
    found = model.model(TOKENS).logits
    tolerance = {torch.float32: 1e-4, torch.bfloat16: 0.15}[found.dtype]
    torch.testing.assert_close(found, expected, atol=tolerance, rtol=tolerance)
    after = model.model.state_dict()
    assert {name: tensor.shape for name, tensor in after.items()} == {n: tensor.shape for n, tensor in before.items()}
    assert all(torch.equal(after[name], before[name]) for name in before if not after[name].is_meta)


def test_packed_weights_are_given_up(model: Backbone) -> None:
    weight = model.layers[0].get_parameter("mlp.up_proj.weight")
    is_packed, shape = can_pack(weight), weight.shape

    prepare(model.layers)

    left = model.layers[0].get_parameter("mlp.up_proj.weight")
    assert (left.shape, left.is_meta) == (shape, is_packed)


def test_a_prepared_head_gives_the_same(model: Backbone) -> None:
    hidden = torch.randn(3, model.embeddings.shape[1], dtype=model.embeddings.dtype)

    torch.testing.assert_close(prepared(model.head)(hidden), model.head(hidden), atol=0.05, rtol=0.05)


@pytest.mark.parametrize("num_rows", [1, 16, 17, 33, 64, 65, 100])
def test_any_number_of_rows_gives_as_many(model: Backbone, num_rows: int) -> None:
    hidden = torch.randn(1, num_rows, model.embeddings.shape[1], dtype=model.embeddings.dtype)

    found = prepared(model.head)(hidden)

    torch.testing.assert_close(found, model.head(hidden), atol=0.05, rtol=0.05)


def test_an_input_is_not_mistaken_for_the_one_before(backbone: Backbone) -> None:
    prepare(backbone.layers)
    up, gate = (backbone.layers[0].get_submodule(f"mlp.{name}") for name in ("up_proj", "gate_proj"))
    first, second = torch.randn(2, 1, backbone.embeddings.shape[1])

    gate(first)

    torch.testing.assert_close(up(second), second @ backbone.layers[0].get_parameter("mlp.up_proj.weight").T)
