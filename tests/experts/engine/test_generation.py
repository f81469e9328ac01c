"""The generation loop gives the tokens of transformers' own `generate` on each expert's assembled model."""

from typing import Any

import pytest
import torch
from transformers import PreTrainedModel

from experts.backbone import Backbone
from experts.engine.generation import ModelState, generate
from experts.expert import Expert, general_expert
from experts.sampling_params import SamplingParams
from tests.experts.conftest import full_expert, low_rank_expert, make_backbone
from tests.experts.families import FAMILIES, SLIDING_WINDOW, Family

PROMPT = list(b"A prompt that is much longer than the sliding window of the two families that have one.")
NUM_NEW = 24
assert len(PROMPT) > 4 * SLIDING_WINDOW


def independent_model(backbone: Backbone, expert: Expert, family: Family) -> PreTrainedModel:
    """The expert's model built without `assemble`: a second copy of the whole model with the merged weights loaded."""
    model = family.make().eval()
    state = dict(backbone.model.state_dict())
    for index, layer in enumerate(expert.upper_layers(backbone), backbone.num_shared_layers):
        state |= {f"model.layers.{index}.{name}": tensor for name, tensor in layer.state_dict().items()}
    model.load_state_dict(state)
    return model


def greedy_by_transformers(model: PreTrainedModel) -> list[int]:
    generator: Any = model
    output = generator.generate(torch.tensor([PROMPT]), max_new_tokens=NUM_NEW, do_sample=False)
    return output[0, len(PROMPT) :].tolist()


def greedy_by_us(backbone: Backbone, expert: Expert) -> list[int]:
    model = backbone.assemble(expert.upper_layers(backbone))
    params = SamplingParams(max_tokens=NUM_NEW)
    events = list(generate(model, backbone.tokenizer, PROMPT, params, None, backbone.eos_token_ids))
    ended = [min(backbone.eos_token_ids)] if events[-1].finish_reason == "stop" else []
    return [token_id for event in events for token_id in event.token_ids] + ended


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
@pytest.mark.parametrize("kind", ["general", "full", "low_rank"])
def test_greedy_tokens_equal_transformers(family: Family, kind: str) -> None:
    backbone = make_backbone(family)
    made = {"general": lambda: general_expert(backbone), "full": lambda: full_expert(backbone, "law")}
    expert = made.get(kind, lambda: low_rank_expert(backbone, "math"))()

    assert greedy_by_us(backbone, expert) == greedy_by_transformers(independent_model(backbone, expert, family))


def test_experts_answer_differently(backbone: Backbone) -> None:
    """The comparison above would be empty if all experts computed the same."""
    answers = [greedy_by_us(backbone, e) for e in (general_expert(backbone), full_expert(backbone, "law"))]

    assert answers[0] != answers[1]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_scores_are_the_log_probabilities_of_a_plain_forward(family: Family) -> None:
    backbone = make_backbone(family)
    candidates = [[5, 6, 7], [5, 6], [9, 1, 2, 3]]

    state = ModelState(backbone.model)
    scores = state.score(candidates, state.forward(PROMPT))

    for candidate, score in zip(candidates, scores, strict=True):
        logits = backbone.model(torch.tensor([PROMPT + candidate])).logits[0, len(PROMPT) - 1 : -1]
        expected = torch.log_softmax(logits, dim=-1).gather(1, torch.tensor(candidate)[:, None]).sum()
        assert score == pytest.approx(float(expected), abs=1e-3)
