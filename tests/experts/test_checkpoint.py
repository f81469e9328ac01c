"""Experts on disk: what comes back, and what is refused with which words."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from experts.backbone import Backbone
from experts.checkpoint import WEIGHTS_FILE, load_expert, save_expert
from experts.errors import CheckpointError
from experts.expert import Expert
from tests.experts.conftest import full_expert, low_rank_expert, make_backbone
from tests.experts.families import FAMILIES


@pytest.fixture(params=[full_expert, low_rank_expert], ids=["full", "low_rank"])
def expert(request: pytest.FixtureRequest, backbone: Backbone) -> Expert:
    return request.param(backbone, "law")


def test_both_forms_come_back_as_they_were(expert: Expert, backbone: Backbone, tmp_path: Path) -> None:
    card = save_expert(expert, tmp_path / "law")
    loaded = load_expert(tmp_path / "law", backbone)

    assert loaded.card == card
    assert loaded.tensors.keys() == expert.tensors.keys()
    assert all(torch.equal(loaded.tensors[name], tensor) for name, tensor in expert.tensors.items())


def test_a_low_rank_expert_is_merged_as_the_formula_says(backbone: Backbone) -> None:
    expert = low_rank_expert(backbone, "math")
    name, layers = "self_attn.q_proj.weight", (expert.upper_layers(backbone)[1], backbone.layers[3])
    merged, original = (layer.get_parameter(name) for layer in layers)
    a, b = (expert.tensors[f"layers.3.self_attn.q_proj.lora_{x}"] for x in "AB")

    assert torch.allclose(merged, original + 8.0 / 4 * (b @ a), atol=1e-6)
    assert not torch.equal(merged, original)


def test_the_version_is_a_hash_of_the_content(backbone: Backbone, tmp_path: Path) -> None:
    same = [save_expert(full_expert(backbone, "law"), tmp_path / name).version for name in ("a", "b")]
    other_weights = save_expert(full_expert(backbone, "law", seed=9), tmp_path / "c").version
    prompted = full_expert(backbone, "law")
    suffixed = Expert(prompted.card.model_copy(update={"suffix": "Label:"}), prompted.tensors)

    assert same[0] == same[1]
    assert len({same[0], other_weights, save_expert(suffixed, tmp_path / "d").version}) == 3


def test_another_backbone_is_refused(expert: Expert, tmp_path: Path) -> None:
    save_expert(expert, tmp_path / "law")
    with pytest.raises(CheckpointError, match="retrain it for this one"):
        load_expert(tmp_path / "law", make_backbone(FAMILIES[2]))


def test_another_split_is_refused(expert: Expert, backbone: Backbone, tmp_path: Path) -> None:
    save_expert(expert, tmp_path / "law")
    with pytest.raises(CheckpointError, match="2 of 4 layers shared, this backbone has 3 of 4"):
        load_expert(tmp_path / "law", Backbone.split(backbone.model, backbone.tokenizer, 3))


@pytest.mark.parametrize("fault", ["missing", "too many", "shape", "content"])
def test_a_wrong_tensor_is_refused_by_name(fault: str, expert: Expert, backbone: Backbone, tmp_path: Path) -> None:
    save_expert(expert, tmp_path / "law")
    path = tmp_path / "law" / WEIGHTS_FILE
    tensors = load_file(path)
    name = sorted(tensors)[0]
    match fault:
        case "missing":
            del tensors[name]
        case "too many":
            name = "layers.0.self_attn.q_proj.weight"
            tensors[name] = torch.zeros(1)
        case "shape":
            tensors[name] = torch.zeros(3, 5)
        case _:
            tensors[name] = tensors[name] + 1
    save_file(tensors, path)

    with pytest.raises(CheckpointError, match="changed or damaged" if fault == "content" else name):
        load_expert(tmp_path / "law", backbone)


@pytest.mark.parametrize("content", [b"", b"not safetensors at all", b"\x00" * 64])
def test_corrupt_weights_are_refused(content: bytes, expert: Expert, backbone: Backbone, tmp_path: Path) -> None:
    save_expert(expert, tmp_path / "law")
    (tmp_path / "law" / WEIGHTS_FILE).write_bytes(content)
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_expert(tmp_path / "law", backbone)


def test_a_damaged_card_names_the_field(expert: Expert, backbone: Backbone, tmp_path: Path) -> None:
    save_expert(expert, tmp_path / "law")
    card = tmp_path / "law" / "card.json"
    card.write_text(json.dumps({**json.loads(card.read_text()), "max_tokens": 0}))
    with pytest.raises(CheckpointError, match="field max_tokens"):
        load_expert(tmp_path / "law", backbone)


def test_a_save_that_fails_leaves_the_old_expert(backbone: Backbone, tmp_path: Path) -> None:
    save_expert(full_expert(backbone, "law"), tmp_path / "law")
    broken = Expert(full_expert(backbone, "law").card, {"layers.2.x": torch.zeros(2, 2, device="meta")})
    # torch's own error: a tensor without data cannot be written
    with pytest.raises(NotImplementedError):
        save_expert(broken, tmp_path / "law")

    assert load_expert(tmp_path / "law", backbone).card.name == "law"
    assert [path.name for path in tmp_path.iterdir() if path.name != "model"] == ["law"]
