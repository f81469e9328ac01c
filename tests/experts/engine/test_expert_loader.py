"""The shipped experts on the real SmolLM2, loaded in both forms, in the processor's own type, all in one batch.

In bfloat16 two tokens can be equally likely to transformers itself: its logits are off by 0.1 to 0.2 from what it
computes of the same weights in float32, which is the judge here. A token that differs from the likeliest is accepted
only where that one finds the two within three roundings of a logit, as both may be off; what follows is compared with
what transformers writes behind our token.
"""

import copy
from collections.abc import Sequence as Many
from typing import Any

import pytest
import torch

from experts.config import BackboneConfig, EngineConfig, SchedulerConfig
from experts.engine.answer import Answer
from experts.engine.detokenizer import Detokenizer
from experts.engine.engine import Engine
from experts.engine.events import TokenEvent
from experts.engine.model_pool import ModelPool
from experts.prompt import PromptInput, PromptParts, PromptRenderer
from experts.registry import Registry
from experts.sampling_params import SamplingParams
from experts.source import load_backbone
from tests.experts.test_builtin import NAMES, backbone, expert_named

NUM_NEW = 24
PARTS = PromptParts(
    "A ferry has 48 seats and leaves 3 times a day. How many seats is that, and is the sum above 100?",
    (PromptInput(1, "Multiply the seats by 3.", "144"),),
    "#1: Is it above 100?",
)


@pytest.mark.parametrize("form", ["merged", "compact"])
def test_all_experts_in_one_batch_say_what_transformers_says(form: str) -> None:
    limits = SchedulerConfig(max_step_tokens=96, max_chunk_tokens=48)
    config = EngineConfig(BackboneConfig(), scheduler=limits, expert_form=form)  # pyright: ignore[reportArgumentType]
    run_and_check(config, ("general", *NAMES))


@pytest.mark.parametrize("form", ["merged", "compact"])
def test_one_stream_on_shared_weights_in_four_bits_says_it_too(form: str) -> None:
    config = EngineConfig(expert_form=form, decode_weights="int4")  # pyright: ignore[reportArgumentType]
    run_and_check(config, ("math",))


def run_and_check(config: EngineConfig, names: Many[str]) -> None:
    """All named experts at once, greedily."""
    pool = ModelPool(load_backbone(config.backbone), Registry(None), config)
    engine, renderer = Engine(pool, config), PromptRenderer(pool.backbone.tokenizer)
    prompts: dict[int, tuple[str, list[int]]] = {}
    for name in names:
        entry = pool.registry.get(name)
        prompt = renderer.render(PARTS, entry.card.suffix)
        params = SamplingParams(max_tokens=NUM_NEW, ignore_eos=True)
        answer = Answer(params, Detokenizer(pool.backbone.tokenizer, ()), None, pool.backbone.eos_token_ids, prompt)
        prompts[engine.add(pool.load(entry), prompt, answer)] = (name, prompt)

    found: dict[int, list[int]] = {number: [] for number in prompts}
    while engine.num_sequences:
        for number, event in engine.step():
            assert isinstance(event, TokenEvent)
            found[number] += event.token_ids

    for number, (name, prompt) in prompts.items():
        check(name, prompt, found[number])


@torch.inference_mode()
def check(name: str, prompt: list[int], tokens: list[int]) -> None:
    """Every token is the likeliest to transformers behind those before it, or as likely within rounding."""
    whole = backbone()
    model: Any = copy.deepcopy(whole.assemble(expert_named(name).upper_layers(whole))).float()
    logits = model(torch.tensor([[*prompt, *tokens]])).logits[0, len(prompt) - 1 : -1]
    best, ours = logits.max(dim=-1).values, logits.gather(1, torch.tensor(tokens)[:, None])[:, 0]
    rounding = torch.finfo(whole.model.dtype).eps * best.abs()
    assert len(tokens) == NUM_NEW
    assert bool((best - ours <= 3 * rounding).all()), (name, (best - ours).tolist())
    assert int((best == ours).sum()) >= NUM_NEW - 3, "ties are rare"
