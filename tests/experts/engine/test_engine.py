"""Whatever the engine does at once, each sequence gets the tokens of transformers' own `generate`, alone."""

from collections.abc import Sequence as Many
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import PreTrainedModel

from experts.config import SchedulerConfig
from experts.engine.engine import Scoring
from tests.experts.conftest import make_backbone
from tests.experts.engine.world import CONTEXT, NAMES, PROMPTS, World, small_cache
from tests.experts.families import FAMILIES, Family


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
