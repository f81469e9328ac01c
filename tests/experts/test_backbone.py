"""Splitting a transformer: what is shared, what is refused, what the hash sees."""

from typing import Any

import pytest
import torch
from transformers import BertConfig, BertLMHeadModel

from experts.backbone import Backbone, default_num_shared_layers
from experts.errors import BackboneError
from experts.expert import general_expert
from tests.experts.conftest import full_expert, make_backbone
from tests.experts.families import FAMILIES, Family, byte_tokenizer, make_model


def test_the_default_split_of_30_layers_shares_23() -> None:
    assert default_num_shared_layers(30) == 23
    assert [default_num_shared_layers(n) for n in (2, 4, 12)] == [1, 3, 9]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_the_general_expert_is_bit_identical_to_the_original_model(family: Family) -> None:
    original = make_model(family)
    backbone = Backbone.split(make_model(family), byte_tokenizer(), 2)
    ids = torch.tensor([list(b"any text at all")])

    assembled: Any = backbone.assemble(general_expert(backbone).upper_layers(backbone))

    assert torch.equal(assembled(ids).logits, original(ids).logits)


def test_assembled_experts_share_the_backbone_and_own_their_upper_layers(backbone: Backbone) -> None:
    first, second = (backbone.assemble(full_expert(backbone, n).upper_layers(backbone)) for n in ("law", "math"))
    pointers = [{p.data_ptr() for p in model.parameters()} for model in (first, second)]
    upper = sum(len(list(layer.parameters())) for layer in backbone.layers[2:])

    assert len(pointers[0] - pointers[1]) == upper
    assert first.get_input_embeddings() is second.get_input_embeddings()


@pytest.mark.parametrize("layer", [0, 4, 7])
def test_a_split_outside_the_stack_is_refused(layer: int) -> None:
    with pytest.raises(BackboneError, match="choose 1 to 3"):
        Backbone.split(make_model(FAMILIES[0]), byte_tokenizer(), layer)


def test_a_family_without_a_decoder_stack_is_refused() -> None:
    model = BertLMHeadModel(
        BertConfig(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16)
    )
    with pytest.raises(BackboneError, match="no standard decoder stack"):
        Backbone.split(model, byte_tokenizer(), 1)


def test_a_family_that_reuses_lower_keys_is_refused() -> None:
    model = make_model(FAMILIES[0])
    model.config.num_kv_shared_layers = 2
    with pytest.raises(BackboneError, match="reuse keys and values"):
        Backbone.split(model, byte_tokenizer(), 2)


def test_the_hash_sees_embeddings_and_shared_layers_only() -> None:
    reference = make_backbone().hash
    upper, lower, embeddings = make_backbone(), make_backbone(), make_backbone()
    with torch.no_grad():
        next(upper.layers[3].parameters()).add_(1.0)
        next(lower.layers[1].parameters()).add_(1.0)
        lower_embeddings: Any = embeddings.model.get_input_embeddings()
        lower_embeddings.weight[0, 0] += 1.0

    assert make_backbone().hash == reference
    assert upper.hash == reference
    assert lower.hash != reference
    assert embeddings.hash != reference
