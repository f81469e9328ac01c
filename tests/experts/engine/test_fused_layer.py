"""Layers of the common form are found by trying, and a layer that differs is left to transformers."""

import types
from typing import Any

import pytest
import torch
from torch import nn

from experts.engine.expert_loader import ExpertLoader
from experts.engine.fused_layer import FusedLayer
from tests.experts.conftest import make_backbone
from tests.experts.families import FAMILIES, Family


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_most_families_are_fused(family: Family) -> None:
    loader = ExpertLoader(make_backbone(family), "merged")

    assert loader.is_fused == ("gemma2" not in family.name)
    assert all(isinstance(layer, FusedLayer) == loader.is_fused for layer in loader.shared_layers)


def test_what_a_layer_asks_of_the_attention_is_taken_over() -> None:
    (mistral,) = (family for family in FAMILIES if "mistral" in family.name)
    layer: Any = ExpertLoader(make_backbone(mistral), "merged").shared_layers[0]

    assert layer.kind.sliding_window == 8
    assert layer.kind.scaling == pytest.approx(8**-0.5)


@pytest.mark.parametrize("index", [1, 3], ids=["shared", "upper"])
def test_a_model_with_a_layer_that_computes_something_else_is_not_fused(index: int) -> None:
    backbone = make_backbone()
    layer: Any = backbone.layers[index]
    original = layer.forward

    def weaker(_: nn.Module, hidden_states: torch.Tensor, **more: Any) -> torch.Tensor:
        return hidden_states + 0.9 * (original(hidden_states, **more) - hidden_states)

    layer.forward = types.MethodType(weaker, layer)

    assert not ExpertLoader(backbone, "merged").is_fused


def test_a_layer_with_a_further_part_is_not_fused() -> None:
    backbone = make_backbone()
    backbone.layers[3].add_module("adapter", nn.Linear(2, 2))

    assert not ExpertLoader(backbone, "merged").is_fused
