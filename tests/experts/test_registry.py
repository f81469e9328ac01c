"""The index of experts: push, pop, versions, and what a new process finds."""

import json
import shutil
from pathlib import Path

import pytest

from experts.backbone import Backbone
from experts.checkpoint import save_expert
from experts.errors import CheckpointError, NoEarlierVersion, UnknownExpert
from experts.registry import GATE_FILE, Registry
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


def test_no_expert_is_called_as_the_persons_of_a_plan(backbone: Backbone, tmp_path: Path) -> None:
    save_expert(full_expert(backbone, "law"), tmp_path / "law")
    card = tmp_path / "law" / "card.json"
    card.write_text(card.read_text().replace('"law"', '"person"'))
    with pytest.raises(CheckpointError, match="'person' stands for the people whom a run asks; choose another name"):
        Registry(tmp_path / "root", None).push(tmp_path / "law")


def three(root: Path, backbone: Backbone, tmp_path: Path) -> list[str]:
    return [pushed(Registry(root, None), backbone, tmp_path, "law", seed) for seed in (1, 2, 3)]


def test_a_rollback_undoes_pushes_one_after_the_other(backbone: Backbone, tmp_path: Path) -> None:
    root = tmp_path / "root"
    first, second, _ = three(root, backbone, tmp_path)

    assert [Registry(root, None).rollback("law").card.version for _ in range(2)] == [second, first]
    assert Registry(root, None).get("law").card.version == first
    with pytest.raises(NoEarlierVersion, match="no earlier version of 'law' was active") as caught:
        Registry(root, None).rollback("law")
    assert set(caught.value.kept) == {*(entry.card.version for entry in Registry(root, None).versions("law"))}


def test_a_rollback_to_a_named_version_can_be_undone(backbone: Backbone, tmp_path: Path) -> None:
    root = tmp_path / "root"
    first, _, third = three(root, backbone, tmp_path)

    assert Registry(root, None).rollback("law", first).card.version == first
    assert Registry(root, None).rollback("law").card.version == third
    with pytest.raises(UnknownExpert, match="in version 'beef'"):
        Registry(root, None).rollback("law", "beef")


def test_a_rollback_undoes_a_pop(backbone: Backbone, tmp_path: Path) -> None:
    root = tmp_path / "root"
    _, second, third = three(root, backbone, tmp_path)
    Registry(root, None).pop("law")

    states = {
        entry.card.version: Registry(root, None).state_of(entry) for entry in Registry(root, None).versions("law")
    }
    assert {states.pop(third), *states.values()} == {"popped", "kept"}
    assert [Registry(root, None).rollback("law").card.version for _ in range(2)] == [third, second]
    assert Registry(root, None).names() == ["law"]


def test_a_rollback_of_a_push_over_a_builtin_expert_returns_to_it(backbone: Backbone, tmp_path: Path) -> None:
    builtin = save_expert(full_expert(backbone, "law", 9), tmp_path / "builtin" / "law")
    registry = Registry(tmp_path / "root", tmp_path / "builtin")
    pushed(registry, backbone, tmp_path, "law")

    assert Registry(tmp_path / "root", tmp_path / "builtin").rollback("law").card.version == builtin.version
    assert registry.state_of(registry.get("law", builtin.version)) == "kept"


def test_a_version_whose_files_are_gone_is_passed_over(backbone: Backbone, tmp_path: Path) -> None:
    root = tmp_path / "root"
    first, second, _ = three(root, backbone, tmp_path)
    shutil.rmtree(root / "law" / second)

    assert Registry(root, None).rollback("law").card.version == first


def test_an_index_without_a_history_is_read(backbone: Backbone, tmp_path: Path) -> None:
    root = tmp_path / "root"
    first, second, third = three(root, backbone, tmp_path)
    (root / "registry.json").write_text(json.dumps({"active": {"law": second}}))

    with pytest.raises(NoEarlierVersion):
        Registry(root, None).rollback("law")
    Registry(root, None).rollback("law", third)
    assert Registry(root, None).rollback("law").card.version == second
    assert first in {entry.card.version for entry in Registry(root, None).versions("law")}


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"active": {}, "history": []}', '{"active": {}, "history": {"law": 1}}']
)
def test_a_damaged_index_says_so(content: str, tmp_path: Path) -> None:
    (tmp_path / "registry.json").write_text(content)
    with pytest.raises(CheckpointError, match="damaged"):
        Registry(tmp_path, None)


def test_a_gate_in_the_root_goes_before_the_built_in_one(tmp_path: Path) -> None:
    root, builtin = tmp_path / "root", tmp_path / "builtin"
    for folder in (root, builtin):
        folder.mkdir()
    (builtin / GATE_FILE).write_text("{}", encoding="utf-8")
    registry = Registry(root, builtin)
    assert registry.gate_files() == [builtin / GATE_FILE]

    (root / GATE_FILE).write_text("{}", encoding="utf-8")

    assert registry.gate_files() == [root / GATE_FILE, builtin / GATE_FILE]
    assert Registry(None, None).gate_files() == []
