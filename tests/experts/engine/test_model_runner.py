"""Prefixes, of which only the boundary activations are wanted: their means are transformers' own."""

from collections.abc import Sequence as Many
from pathlib import Path

import pytest

from experts.backbone import Backbone
from experts.config import SchedulerConfig
from experts.engine.engine import Pooling
from experts.engine.events import Pooled
from experts.engine.sequence import NO_EXPERT
from experts.training.activations import EncodedRow, boundary_activations
from tests.experts.engine.world import CONTEXT, NAMES, World, small_cache
from tests.experts.families import FAMILIES, Family


@pytest.fixture(params=FAMILIES, ids=lambda family: family.name)
def family(request: pytest.FixtureRequest) -> Family:
    return request.param


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
