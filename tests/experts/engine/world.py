"""One backbone with experts, an engine over them, and transformers beside it."""

from collections.abc import Sequence as Many
from functools import cache
from pathlib import Path
from typing import Any

import torch

from experts.backbone import Backbone
from experts.checkpoint import save_expert
from experts.config import EngineConfig
from experts.engine.answer import Answer
from experts.engine.detokenizer import Detokenizer
from experts.engine.engine import Engine
from experts.engine.events import Pooled, TokenEvent
from experts.engine.kv_cache import block_bytes
from experts.engine.model_pool import ModelPool
from experts.expert import Expert, general_expert
from experts.registry import Registry
from experts.sampling_params import SamplingParams
from tests.experts.conftest import full_expert, low_rank_expert, make_backbone
from tests.experts.families import Family

CONTEXT = list(b"A context that is longer than the sliding window, and longer than a block of the cache.")
PROMPTS = [list(text) for text in (b"one", b"Another prompt, not so short.", b"x", b"Four and twenty blackbirds")]
NAMES = ("general", "law", "math", "code")
NUM_NEW = 12


class World:
    """One backbone with experts, an engine over them, and transformers beside it."""

    def __init__(self, family: Family, folder: Path, **config: Any) -> None:
        self.oracle = make_backbone(family)
        self.experts: dict[str, Expert] = {
            "general": general_expert(self.oracle),
            "law": full_expert(self.oracle, "law"),
            "math": low_rank_expert(self.oracle, "math"),
            "code": low_rank_expert(self.oracle, "code", seed=3),
            "math, next version": low_rank_expert(self.oracle, "math", seed=4),
        }
        self.models = {n: self.oracle.assemble(e.upper_layers(self.oracle)) for n, e in self.experts.items()}
        settings = EngineConfig(block_size=4, **config)
        self.pool = ModelPool(make_backbone(family), Registry(None, builtin=None), settings)
        self.folder = folder
        for label in list(self.experts)[1:]:
            save_expert(self.experts[label], folder / label)
        for name in NAMES[1:]:
            self.pool.push(folder / name)
        self.engine = Engine(self.pool, settings)

    def add(self, name: str, prompt: Many[int], num_new: int = NUM_NEW) -> int:
        backbone: Backbone = self.pool.backbone
        params = SamplingParams(max_tokens=num_new, ignore_eos=True)
        answer = Answer(params, Detokenizer(backbone.tokenizer, ()), None, backbone.eos_token_ids, prompt)
        return self.engine.add(self.pool.load(self.pool.registry.get(name)), prompt, answer)

    def run(self) -> dict[int, list[int]]:
        """Step until all have ended; the tokens by sequence."""
        found: dict[int, list[int]] = {}
        while self.engine.num_sequences:
            self.step(found)
        return found

    def step(self, found: dict[int, list[int]]) -> dict[int, tuple[float, ...]]:
        """Adds new tokens to those found; returns the means of prefixes that are complete."""
        means: dict[int, tuple[float, ...]] = {}
        for sequence_id, event in self.engine.step():
            assert isinstance(event, TokenEvent | Pooled)
            if isinstance(event, Pooled):
                means[sequence_id] = event.mean
            else:
                found.setdefault(sequence_id, []).extend(event.token_ids)
        self.engine.scheduler.check_integrity()
        return means

    def check(self, asked: Many[tuple[str, Many[int]]], found: Many[list[int]], num_new: int = NUM_NEW) -> None:
        """Every answer is transformers' own, up to a token that it finds as likely as its own, within rounding."""
        for (name, prompt), tokens in zip(asked, found, strict=True):
            expected = self.expected(name, tuple(prompt), num_new)
            assert len(tokens) == len(expected)
            differing = [i for i, (ours, theirs) in enumerate(zip(tokens, expected, strict=True)) if ours != theirs]
            if differing:
                logits = self.models[name](torch.tensor([[*prompt, *expected[: differing[0]]]])).logits[0, -1]
                gap = logits[expected[differing[0]]] - logits[tokens[differing[0]]]
                assert gap <= 8 * torch.finfo(logits.dtype).eps * logits.abs().max(), (name, differing[0], gap)

    @cache  # noqa: B019 - lives as long as its test
    def expected(self, name: str, prompt: tuple[int, ...], num_new: int = NUM_NEW) -> list[int]:
        """By transformers, on a copy of the expert's model that knows nothing of the engine."""
        generator: Any = self.models[name]
        output = generator.generate(
            torch.tensor([prompt]), max_new_tokens=num_new, do_sample=False, eos_token_id=None, pad_token_id=0
        )
        return output[0, len(prompt) :].tolist()


def small_cache(family: Family) -> int:
    """Bytes for about two of the contexts above."""
    backbone_bytes, upper_bytes = block_bytes(make_backbone(family), 4)
    return 50 * (backbone_bytes + 2 * upper_bytes)
