"""How far apart the weights of two experts are, in every pair of forms."""

import pytest
import torch

from experts.backbone import Backbone
from experts.expert import Expert
from experts.weight_difference import needs_base, weight_difference
from tests.experts.conftest import full_expert, low_rank_expert


def as_full(expert: Expert, backbone: Backbone) -> Expert:
    """The same weights in full form."""
    layers = expert.upper_layers(backbone)
    start = backbone.num_shared_layers
    tensors = {f"layers.{i}.{n}": t for i, layer in enumerate(layers, start) for n, t in layer.state_dict().items()}
    return Expert(full_expert(backbone, "law").card, tensors)


def test_low_rank_experts_are_compared_by_what_they_add(backbone: Backbone) -> None:
    first, second = (low_rank_expert(backbone, "law", seed) for seed in (1, 2))
    found = weight_difference(first, second)

    changes = [
        {name: w - backbone.upper_tensors()[name] for name, w in as_full(expert, backbone).tensors.items()}
        for expert in (first, second)
    ]
    expected = torch.cat([(changes[0][name] - changes[1][name]).flatten() for name in changes[0]]).norm()
    assert found.difference == pytest.approx(float(expected), rel=1e-3)
    assert found.change == pytest.approx(float(torch.cat([c.flatten() for c in changes[0].values()]).norm()), rel=1e-3)
    assert found.relative == pytest.approx(found.difference / found.change)
    assert not needs_base(first, second)


def test_the_form_does_not_matter(backbone: Backbone) -> None:
    first, second = (low_rank_expert(backbone, "law", seed) for seed in (1, 2))
    base, compact = backbone.upper_tensors(), weight_difference(first, second)

    for pair in ((as_full(first, backbone), second), (first, as_full(second, backbone))):
        assert needs_base(*pair)
        assert weight_difference(*pair, base).relative == pytest.approx(compact.relative, rel=1e-3)
    assert weight_difference(first, as_full(first, backbone), base).relative == pytest.approx(0, abs=1e-3)


def test_a_delta_that_only_one_has_counts(backbone: Backbone) -> None:
    whole = low_rank_expert(backbone, "law")
    part = Expert(whole.card, {name: t for name, t in whole.tensors.items() if name.startswith("layers.2.")})

    assert weight_difference(whole, whole).relative == 0
    assert 0 < weight_difference(whole, part).relative < 1
    assert weight_difference(part, whole).difference == pytest.approx(weight_difference(whole, part).difference)


def test_against_an_expert_that_changes_nothing(backbone: Backbone) -> None:
    empty = Expert(low_rank_expert(backbone, "law").card, {})
    assert weight_difference(empty, empty).relative == 0
    assert weight_difference(empty, low_rank_expert(backbone, "law")).relative == float("inf")
