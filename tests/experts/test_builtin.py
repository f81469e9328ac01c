"""The shipped experts on the real SmolLM2: they load, they fit, and they give transformers' own tokens."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from experts.backbone import Backbone
from experts.card import ExpertCard
from experts.checkpoint import load_expert
from experts.config import BackboneConfig, EngineConfig
from experts.engine.async_engine import AsyncEngine
from experts.engine.generation import generate
from experts.expert import Expert, general_expert
from experts.gating.classifier import Classifier
from experts.prompt import PromptParts, PromptRenderer
from experts.registry import BUILTIN, GATE_FILE
from experts.sampling_params import SamplingParams
from experts.source import embedded_directory, load_backbone
from experts.training.ngrams import load_ngrams

NAMES = ("code", "law", "math", "medical", "planner", "reader", "sql")
CONFIG = BackboneConfig()
PROMPTS = {
    "planner": PromptParts("What is 3 times 14? Then add 8 to it."),
    "reader": PromptParts("Who runs the fuel dock?", context="Passages:\n[dock.md:3] Sigrid Dahl runs the fuel dock."),
    "sql": PromptParts("How many ferries leave from Bari?", context="Tables: ferries(name, port, seats)"),
}


@cache
def backbone() -> Backbone:
    return load_backbone(CONFIG)


def expert_named(name: str) -> Expert:
    return general_expert(backbone()) if name == "general" else load_expert(BUILTIN / name, backbone())


def test_the_embedded_backbone_is_split_at_23_of_30() -> None:
    assert (backbone().num_shared_layers, backbone().num_layers) == (23, 30)
    assert backbone().max_context == 8192


def test_all_of_them_are_shipped_in_low_rank_form() -> None:
    assert tuple(sorted(path.name for path in BUILTIN.iterdir() if path.is_dir())) == NAMES
    sizes = {name: (BUILTIN / name / "weights.safetensors").stat().st_size for name in NAMES}
    assert all(1e6 <= size <= 5e6 for size in sizes.values()), sizes


@pytest.mark.parametrize("name", ["general", *NAMES])
def test_greedy_tokens_equal_transformers(name: str) -> None:
    """The oracle is the stock model, loaded apart, with the expert's merged weights copied into it."""
    expert, whole = expert_named(name), backbone()
    upper = expert.upper_layers(whole)
    independent: Any = AutoModelForCausalLM.from_pretrained(
        embedded_directory(CONFIG.cache_dir), dtype=whole.model.dtype
    )
    for index, layer in enumerate(upper, whole.num_shared_layers):
        independent.model.layers[index].load_state_dict(layer.state_dict())
    parts = PROMPTS.get(name, PromptParts("Tom has 3 boxes of 14 pens. How many pens does he have?"))
    prompt = PromptRenderer(whole.tokenizer).render(parts, expert.card.suffix)

    wanted = independent.generate(torch.tensor([prompt]), max_new_tokens=24, do_sample=False)[0, len(prompt) :].tolist()
    params = SamplingParams(max_tokens=24)
    events = list(generate(whole.assemble(upper), whole.tokenizer, prompt, params, None, whole.eos_token_ids))
    found = [token_id for event in events for token_id in event.token_ids]

    assert found == [token_id for token_id in wanted if token_id not in whole.eos_token_ids]
    assert len(wanted) == events[-1].usage.num_output_tokens if events[-1].usage else False


@pytest.mark.parametrize("name", NAMES)
def test_each_beats_general_on_its_dev_sets(name: str) -> None:
    """What the card says, for every set: the lower end of the interval of the difference is above zero."""
    metrics = ExpertCard.load(BUILTIN / name).metrics

    assert metrics and all(metric.difference_low > 0 for metric in metrics)


def test_classification_is_clearly_above_the_most_frequent_label() -> None:
    metrics = [one for name in NAMES for one in ExpertCard.load(BUILTIN / name).metrics if one.metric == "label"]

    assert {one.dataset for one in metrics} == {"cuad_clause_type", "legalbench_overruling", "medquad_qtype"}
    assert all(one.majority_low is not None and one.majority_low > 0 for one in metrics)


@pytest.mark.parametrize("name", NAMES)
def test_each_card_says_what_it_was_trained_on(name: str) -> None:
    card = ExpertCard.load(BUILTIN / name)

    assert card.training_data
    assert all(data.licence and data.source for data in card.training_data)
    assert all(data.row_ids for data in card.training_data if data.name != "synthetic")
    assert not {"sql_geography", "medical_abstracts"} & {data.name for data in card.training_data}
    larger = {"sql": 475_000, "reader": 201_000, "planner": 215_000, "math": 186_000}
    assert int(card.training["num_tokens"]) <= larger.get(name, 60_500)
    assert len(load_ngrams(BUILTIN / name)) > 1000


def test_the_gate_is_of_the_experts_that_are_shipped() -> None:
    card = Classifier.load(BUILTIN / GATE_FILE).card
    experts = {name: ExpertCard.load(BUILTIN / name) for name in NAMES if name not in ("planner", "reader")}

    assert {one.name: (one.domain, one.version) for one in card.experts} == {
        name: (expert.domain, expert.version) for name, expert in experts.items()
    }
    assert {expert.backbone_hash for expert in experts.values()} == {card.backbone_hash}
    assert all(data.licence and data.source and data.num_rows for data in card.training_data)
    assert not {"sql_geography", "medical_abstracts"} & {data.name for data in card.training_data}


TEXTS = {
    "What is 24 times 12, and half of that?": "math",
    "Find all files below /var/log that are larger than 10 MB and delete them.": "code",
    "Neither party may assign this Agreement without the prior written consent of the other party.": "law",
    "What are the symptoms of chickenpox?": "medical",
    "Write a poem about autumn.": "general",
}


async def test_the_gate_chooses_and_its_expert_reads_on() -> None:
    """On the real backbone: the chosen expert computes nothing of the text's full blocks in the shared layers."""
    engine = await AsyncEngine.start(EngineConfig(CONFIG))
    try:
        for text, expert in TEXTS.items():
            pooled = await engine.pool(text)
            choice = engine.gate().choose(text, pooled.mean)
            assert (text, choice.expert, choice.remark) == (text, expert, "")

            before = (await engine.metrics()).num_reused_backbone_tokens
            async for _ in engine.generate(choice.expert, PromptParts(text), SamplingParams(max_tokens=1)):
                pass
            reused = (await engine.metrics()).num_reused_backbone_tokens - before
            assert reused == pooled.num_reusable_tokens > 24  # more than the template's opening
    finally:
        await engine.close()


def test_no_card_names_a_path_of_a_machine() -> None:
    for name in NAMES:
        text = (BUILTIN / name / "card.json").read_text(encoding="utf-8")
        assert str(Path.home()) not in text
        assert json.loads(text)["name"] == name
