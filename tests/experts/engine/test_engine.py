"""Whatever the engine does at once, each sequence gets the tokens of transformers' own `generate`, alone."""

from collections.abc import Sequence as Many
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import PreTrainedModel

from experts.backbone import Backbone
from experts.checkpoint import save_expert
from experts.config import EngineConfig, SchedulerConfig
from experts.engine.answer import Answer
from experts.engine.detokenizer import Detokenizer
from experts.engine.engine import Engine, Pooling, Scoring
from experts.engine.events import Pooled, TokenEvent
from experts.engine.kv_cache import block_bytes
from experts.engine.model_pool import ModelPool
from experts.engine.sequence import NO_EXPERT
from experts.expert import Expert, general_expert
from experts.registry import Registry
from experts.sampling_params import SamplingParams
from experts.training.activations import EncodedRow, boundary_activations
from tests.experts.conftest import full_expert, low_rank_expert, make_backbone
from tests.experts.families import FAMILIES, Family

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


@pytest.fixture(params=FAMILIES, ids=lambda family: family.name)
def family(request: pytest.FixtureRequest) -> Family:
    return request.param


@pytest.fixture(params=["merged", "compact"])
def form(request: pytest.FixtureRequest) -> str:
    return request.param


def test_experts_in_one_batch(family: Family, form: str, tmp_path: Path) -> None:
    world = World(family, tmp_path, expert_form=form)
    asked = [(name, prompt) for name in NAMES for prompt in PROMPTS]
    ids = [world.add(name, prompt) for name, prompt in asked]

    found = world.run()

    world.check(asked, [found[i] for i in ids])


def test_a_prefix_that_another_expert_computed(family: Family, form: str, tmp_path: Path) -> None:
    world = World(family, tmp_path, expert_form=form)
    world.add("general", CONTEXT)
    world.run()

    law, math = world.add("law", [*CONTEXT, 1, 2, 3]), world.add("math", CONTEXT)
    found = world.run()

    world.check([("law", [*CONTEXT, 1, 2, 3]), ("math", CONTEXT)], [found[law], found[math]])
    scheduler = world.engine.scheduler
    full = len(CONTEXT) // 4 * 4
    assert (scheduler.num_reused_backbone_tokens, scheduler.num_reused_upper_tokens) == (
        full + (len(CONTEXT) - 1) // 4 * 4,
        0,
    )


def test_a_prefix_of_the_experts_own(tmp_path: Path) -> None:
    world = World(FAMILIES[0], tmp_path)
    world.add("law", CONTEXT)
    world.run()

    again = world.add("law", CONTEXT)

    world.check([("law", CONTEXT)], [world.run()[again]])
    assert world.engine.scheduler.num_reused_upper_tokens == (len(CONTEXT) - 1) // 4 * 4


def test_a_prompt_in_chunks_beside_running_sequences(family: Family, tmp_path: Path) -> None:
    world = World(family, tmp_path, scheduler=SchedulerConfig(max_step_tokens=7, max_chunk_tokens=5))
    asked = [("math", PROMPTS[0]), ("law", CONTEXT), ("general", PROMPTS[1]), ("math", CONTEXT)]
    ids = [world.add(name, prompt) for name, prompt in asked]

    found = world.run()

    world.check(asked, [found[i] for i in ids])


def small_cache(family: Family) -> int:
    """Bytes for about two of the contexts above."""
    backbone_bytes, upper_bytes = block_bytes(make_backbone(family), 4)
    return 50 * (backbone_bytes + 2 * upper_bytes)


def test_sequences_that_were_preempted(family: Family, tmp_path: Path) -> None:
    world = World(family, tmp_path, cache_bytes=small_cache(family))
    asked = [(name, [*CONTEXT, i]) for i, name in enumerate((*NAMES, *NAMES))]
    ids = [world.add(name, prompt, 40) for name, prompt in asked]

    found = world.run()

    world.check(asked, [found[i] for i in ids], 40)
    assert world.engine.scheduler.num_preemptions > 0


def test_scores_are_the_log_probabilities_of_a_plain_forward(family: Family, tmp_path: Path) -> None:
    world = World(family, tmp_path, scheduler=SchedulerConfig(max_chunk_tokens=9))
    candidates = [(5, 6, 7), (5, 6), (9, 1, 2, 3)]
    law = world.pool.load(world.pool.registry.get("law"))
    found: dict[int, float] = {}
    for candidate in candidates:
        sequence_id = world.engine.add(law, CONTEXT, Scoring(candidate))
        while sequence_id not in found:
            found |= {i: score for i, score in world.engine.step() if isinstance(score, float)}

    for candidate, score in zip(candidates, found.values(), strict=True):
        assert score == pytest.approx(plain_score(world.models["law"], CONTEXT, candidate), abs=1e-3)


def plain_score(model: PreTrainedModel, prompt: Many[int], candidate: Many[int]) -> float:
    logits = model(torch.tensor([[*prompt, *candidate]])).logits[0, len(prompt) - 1 : -1]
    return float(torch.log_softmax(logits, dim=-1).gather(1, torch.tensor(candidate)[:, None]).sum())


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from(NAMES), st.integers(0, 3), st.booleans()),
        st.tuples(st.just("abort"), st.integers(0, 5)),
        st.tuples(st.just("step")),
        st.tuples(st.just("push"), st.sampled_from(["math", "math, next version"])),
        st.tuples(st.just("pop")),
    ),
    min_size=5,
    max_size=30,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=ACTIONS)
def test_any_order_of_arrivals_aborts_pushes_pops_and_steps(actions: list[Any], hypothesis_world: World) -> None:
    world, asked, found = hypothesis_world, dict[int, tuple[str, list[int]]](), dict[int, list[int]]()
    world.pool.push(world.folder / "math")
    active: str | None = "math"
    for action in actions:
        match action:
            case ("add", name, prompt, has_context):
                label = active if name == "math" else name
                if label is not None:
                    tokens = [*(CONTEXT if has_context else []), *PROMPTS[prompt]]
                    asked[world.add(name, tokens)] = (label, tokens)
            case ("abort", index) if index < len(asked):
                sequence_id = list(asked)[index]
                world.engine.abort(sequence_id)
                del asked[sequence_id]
            case ("push", label):
                world.pool.push(world.folder / label)
                active = label
            case ("pop",) if active is not None:
                world.pool.pop("math")
                active = None
            case ("step",) if world.engine.num_sequences:
                world.step(found)
            case _:
                pass
    while world.engine.num_sequences:
        world.step(found)

    world.check(list(asked.values()), [found[i] for i in asked])


@pytest.fixture(scope="module", params=["merged", "compact"])
def hypothesis_world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Its budget keeps two merged experts, or one beside those that are in use."""
    limits = SchedulerConfig(max_running=5, max_step_tokens=40, max_chunk_tokens=16)
    upper_bytes = sum(tensor.nbytes for tensor in make_backbone().upper_tensors().values())
    return World(
        FAMILIES[0],
        tmp_path_factory.mktemp("experts"),
        scheduler=limits,
        cache_bytes=small_cache(FAMILIES[0]),
        expert_form=request.param,
        expert_bytes=2 * upper_bytes,
    )


def test_a_prefix_runs_through_the_shared_layers_alone(family: Family, tmp_path: Path) -> None:
    """Its mean is that of a plain forward; the chosen expert then computes it in its own layers only."""
    world = World(family, tmp_path, scheduler=SchedulerConfig(max_chunk_tokens=9))
    pooled = pool(world, CONTEXT, first=3)

    assert pooled.mean == pytest.approx(plain_mean(world.oracle, CONTEXT, first=3), abs=1e-4)
    full = len(CONTEXT) // 4 * 4
    assert (pooled.num_tokens, pooled.num_reused_tokens, pooled.num_reusable_tokens) == (len(CONTEXT), 0, full)
    assert world.engine.metrics().num_prefix_tokens == len(CONTEXT)
    assert world.engine.metrics().experts == {}

    chosen = world.add("law", [*CONTEXT, 1, 2, 3])

    world.check([("law", [*CONTEXT, 1, 2, 3])], [world.run()[chosen]])
    metrics = world.engine.metrics()
    assert metrics.num_reused_backbone_tokens == full  # nothing but the end of the prefix is computed again
    assert metrics.num_reused_upper_tokens == 0
    assert metrics.experts["law"].num_prefill_tokens == len(CONTEXT) + 3


def test_a_prefix_that_is_cached_whole_computes_nothing(tmp_path: Path) -> None:
    world = World(FAMILIES[0], tmp_path)
    prefix = CONTEXT[:32]
    first, again = (pool(world, prefix) for _ in range(2))

    assert again.mean == first.mean
    assert (again.num_reused_tokens, world.engine.metrics().num_prefix_tokens) == (32, 32)


def test_prefixes_beside_sequences_that_are_preempted(family: Family, tmp_path: Path) -> None:
    world = World(family, tmp_path, cache_bytes=small_cache(family))
    asked = [(name, [*CONTEXT, i]) for i, name in enumerate((*NAMES, *NAMES))]
    ids = [world.add(name, prompt, 40) for name, prompt in asked]
    prefixes = [[*CONTEXT, 50 + i] for i in range(3)]
    pooled = [world.engine.add(NO_EXPERT, prefix, Pooling(0)) for prefix in prefixes]

    found: dict[int, list[int]] = {}
    means: dict[int, tuple[float, ...]] = {}
    while world.engine.num_sequences:
        means |= world.step(found)

    world.check(asked, [found[i] for i in ids], 40)
    assert world.engine.scheduler.num_preemptions > 0
    for sequence_id, prefix in zip(pooled, prefixes, strict=True):
        assert means[sequence_id] == pytest.approx(plain_mean(world.oracle, prefix), abs=1e-4)


def pool(world: World, prefix: Many[int], first: int = 0) -> Pooled:
    """What the engine makes of a prefix, alone."""
    sequence_id = world.engine.add(NO_EXPERT, prefix, Pooling(first))
    while world.engine.num_sequences:
        outputs = dict(world.engine.step())
        world.engine.scheduler.check_integrity()
        if sequence_id in outputs:
            pooled = outputs[sequence_id]
            assert isinstance(pooled, Pooled)
            return pooled
    raise AssertionError("the prefix did not end")


def plain_mean(backbone: Backbone, prefix: Many[int], first: int = 0) -> list[float]:
    """Of the boundary activations, by transformers alone."""
    row = EncodedRow(tuple(prefix), len(prefix))
    return boundary_activations(backbone, [row], lambda _: None)[0][first:].float().mean(dim=0).tolist()
