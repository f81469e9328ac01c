"""Fused projections compute what they computed apart."""

import copy

import torch

from experts.backbone import Backbone
from experts.engine.fusion import FusedPart, fuse


def test_a_fused_layer_gives_the_same_and_keeps_its_names(backbone: Backbone) -> None:
    before = {name: tensor.clone() for name, tensor in backbone.model.state_dict().items()}
    tokens = torch.arange(20)[None]
    expected = backbone.model(tokens).logits

    fuse(backbone.layers)

    assert isinstance(backbone.layers[0].get_submodule("self_attn.q_proj"), FusedPart)
    torch.testing.assert_close(backbone.model(tokens).logits, expected)
    after = backbone.model.state_dict()
    assert after.keys() == before.keys() and all(torch.equal(after[name], before[name]) for name in before)


def test_fused_weights_are_one_tensor(backbone: Backbone) -> None:
    fuse(backbone.layers)

    attention = backbone.layers[0].get_submodule("self_attn")
    query, key = (attention.get_parameter(f"{name}.weight") for name in ("q_proj", "k_proj"))
    assert query.untyped_storage().data_ptr() == key.untyped_storage().data_ptr()


def test_a_copy_with_other_weights_is_fused_anew(backbone: Backbone) -> None:
    fuse(backbone.layers)
    layers = copy.deepcopy(backbone.layers)
    with torch.no_grad():
        layers[0].get_parameter("mlp.up_proj.weight").zero_()

    fuse(layers)

    inputs = torch.ones(1, 1, layers[0].get_parameter("mlp.up_proj.weight").shape[1])
    assert not layers[0].get_submodule("mlp.up_proj")(inputs).any()
    assert backbone.layers[0].get_submodule("mlp.up_proj")(inputs).any()
