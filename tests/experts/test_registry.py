"""The index of experts: push, pop, versions, and what a new process finds."""

from pathlib import Path

import pytest

from experts.backbone import Backbone
from experts.checkpoint import save_expert
from experts.errors import CheckpointError, UnknownExpert
from experts.registry import Registry
from tests.experts.conftest import full_expert


def pushed(registry: Registry, backbone: Backbone, tmp_path: Path, name: str, seed: int = 1) -> str:
    save_expert(full_expert(backbone, name, seed), tmp_path / f"{name}-{seed}")
    return registry.push(tmp_path / f"{name}-{seed}").card.version


def test_a_pushed_expert_is_found_by_the_next_process(backbone: Backbone, tmp_path: Path) -> None:
    version = pushed(Registry(tmp_path / "root", None), backbone, tmp_path, "law")

    found = Registry(tmp_path / "root", None).get("law")

    assert found.card.version == version
    assert found.directory == tmp_path / "root" / "law" / version


def test_the_newest_push_is_active_and_old_versions_stay(backbone: Backbone, tmp_path: Path) -> None:
    registry = Registry(tmp_path / "root", None)
    first, second = (pushed(registry, backbone, tmp_path, "law", seed) for seed in (1, 2))

    assert registry.get("law").card.version == second
    assert registry.get("law", first).card.version == first
    assert [entry.card.version for entry in registry.versions("law")] == [first, second]


def test_a_popped_expert_stays_popped(backbone: Backbone, tmp_path: Path) -> None:
    registry = Registry(tmp_path / "root", None)
    pushed(registry, backbone, tmp_path, "law")
    pushed(registry, backbone, tmp_path, "math")

    registry.pop("law")

    for one in (registry, Registry(tmp_path / "root", None)):
        assert [entry.card.name for entry in one.list()] == ["math"]
        with pytest.raises(UnknownExpert, match="no expert 'law'; known: math"):
            one.get("law")


def test_a_popped_builtin_expert_stays_popped(backbone: Backbone, tmp_path: Path) -> None:
    save_expert(full_expert(backbone, "law"), tmp_path / "builtin" / "law")
    Registry(tmp_path / "root", tmp_path / "builtin").pop("law")

    assert Registry(tmp_path / "root", tmp_path / "builtin").list() == ()


def test_unknown_names_and_versions_are_told_apart(backbone: Backbone, tmp_path: Path) -> None:
    registry = Registry(tmp_path / "root", None)
    pushed(registry, backbone, tmp_path, "law")
    with pytest.raises(UnknownExpert, match="in version 'beef'"):
        registry.get("law", "beef")
    with pytest.raises(UnknownExpert):
        registry.versions("medical")


def test_the_general_expert_cannot_be_replaced(backbone: Backbone, tmp_path: Path) -> None:
    save_expert(full_expert(backbone, "general"), tmp_path / "general")
    with pytest.raises(CheckpointError, match="choose another"):
        Registry(tmp_path / "root", None).push(tmp_path / "general")


def test_a_damaged_index_says_so(tmp_path: Path) -> None:
    (tmp_path / "registry.json").write_text("{")
    with pytest.raises(CheckpointError, match="damaged"):
        Registry(tmp_path, None)
