"""Which experts are in memory, in which form, and who makes room."""

from pathlib import Path
from typing import Any

import pytest

from experts.checkpoint import save_expert
from experts.config import EngineConfig
from experts.engine.model_pool import ModelPool
from experts.registry import Entry, Registry
from tests.experts.conftest import full_expert, low_rank_expert, make_backbone


def make_pool(folder: Path, **config: Any) -> ModelPool:
    """`general`, `law` (full), `math` and `code` (low-rank), none of them loaded yet."""
    backbone = make_backbone()
    pool = ModelPool(backbone, Registry(None, builtin=None), EngineConfig(**config))
    original = make_backbone()
    for expert in (full_expert(original, "law"), low_rank_expert(original, "math"), low_rank_expert(original, "code")):
        pool.registry.add(Entry(save_expert(expert, folder / expert.card.name), folder / expert.card.name))
    return pool


def load(pool: ModelPool, *names: str) -> None:
    for name in names:
        pool.load(pool.registry.get(name))


def in_memory(pool: ModelPool) -> set[str]:
    return {entry.card.name for entry in pool.registry.list() if pool.has(entry.card.key)}


def bytes_of(pool: ModelPool, name: str) -> int:
    before = pool.num_bytes
    load(pool, name)
    return pool.num_bytes - before


def test_a_merged_expert_has_all_its_upper_layers(tmp_path: Path) -> None:
    pool = make_pool(tmp_path)
    upper = sum(tensor.nbytes for tensor in make_backbone().upper_tensors().values())

    assert [bytes_of(pool, name) for name in ("general", "law", "math")] == [upper] * 3


def test_a_compact_expert_has_its_deltas_only(tmp_path: Path) -> None:
    pool = make_pool(tmp_path, expert_form="compact")
    upper = sum(tensor.nbytes for tensor in make_backbone().upper_tensors().values())
    merged = make_pool(tmp_path)

    assert bytes_of(pool, "general") == 0
    assert 0 < bytes_of(pool, "math") < upper
    assert bytes_of(pool, "law") == upper, "a full expert shares no layer"
    assert pool.loader.num_bytes == merged.loader.num_bytes + upper


def test_the_least_recently_used_expert_makes_room(tmp_path: Path) -> None:
    pool = make_pool(tmp_path)
    budget = 2 * bytes_of(pool, "law")
    pool = make_pool(tmp_path, expert_bytes=budget)

    load(pool, "law", "math", "law", "code")
    pool.unload(set())
    assert in_memory(pool) == {"law", "code"}


def test_an_expert_in_use_is_never_let_go(tmp_path: Path) -> None:
    pool = make_pool(tmp_path, expert_bytes=1)
    load(pool, "law", "math")

    pool.unload({pool.registry.get("law").card.key, pool.registry.get("math").card.key})

    assert in_memory(pool) == {"law", "math"}


def test_the_most_recent_expert_stays_for_whoever_had_it_loaded(tmp_path: Path) -> None:
    pool = make_pool(tmp_path, expert_bytes=1)
    load(pool, "law", "math")

    pool.unload(set())

    assert in_memory(pool) == {"math"}


@pytest.mark.parametrize("form", ["merged", "compact"])
def test_a_detached_expert_is_let_go(form: str, tmp_path: Path) -> None:
    pool = make_pool(tmp_path, expert_form=form)
    load(pool, "math", "code")
    key = pool.registry.get("math").card.key

    pool.pop("math")
    pool.unload(set())

    assert not pool.has(key)
    assert in_memory(pool) == {"code"}
