"""Weights are read from their file when they are touched, and are what was written."""

from pathlib import Path

import torch
from safetensors.torch import save_file

from experts.backbone import Backbone
from experts.config import BackboneConfig
from experts.mapped_weights import MappedWeights
from experts.source import load_backbone

TENSORS = {"a": torch.randn(3, 5), "b": torch.randn(7).bfloat16(), "c": torch.arange(4)}


def test_tensors_are_found_by_name(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "model.safetensors", metadata={"format": "pt"})
    mapped = MappedWeights(tmp_path)

    for name in ("a", "b"):
        found = mapped.tensor(name)
        assert found is not None
        assert torch.equal(found, TENSORS[name])
    assert mapped.tensor("c") is None, "no type of weights"
    assert mapped.tensor("d") is None


def test_given_back_pages_come_again(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "model.safetensors")
    mapped = MappedWeights(tmp_path)
    found = mapped.tensor("a")

    mapped.release()

    assert found is not None
    assert torch.equal(found, TENSORS["a"])


def test_a_loaded_backbone_leaves_embeddings_and_upper_layers_in_the_file(
    model_directory: Path, backbone: Backbone
) -> None:
    loaded = load_backbone(BackboneConfig(str(model_directory), backbone.num_shared_layers, "float32"))

    assert loaded.mapped is not None
    name = f"model.layers.{loaded.num_layers - 1}.mlp.up_proj.weight"
    in_file, in_model = loaded.mapped.tensor(name), loaded.model.get_parameter(name)
    assert in_file is not None
    assert in_file.data_ptr() == in_model.data_ptr()
    expected = backbone.model.state_dict()
    assert all(torch.equal(tensor, expected[key]) for key, tensor in loaded.model.state_dict().items())
    assert loaded.hash == backbone.hash


def test_files_of_another_content_are_not_used(model_directory: Path, backbone: Backbone) -> None:
    other = {name: tensor + 1 for name, tensor in backbone.model.state_dict().items()}
    save_file({name: tensor.clone() for name, tensor in other.items()}, model_directory / "model_old.safetensors")

    loaded = load_backbone(BackboneConfig(str(model_directory), backbone.num_shared_layers, "float32"))

    assert loaded.hash == backbone.hash
    name = "mlp.up_proj.weight"
    assert torch.equal(loaded.layers[3].get_parameter(name), backbone.layers[3].get_parameter(name))


def test_weights_of_another_type_stay_in_memory(model_directory: Path) -> None:
    loaded = load_backbone(BackboneConfig(str(model_directory), 2, "bfloat16"))

    assert loaded.embeddings.dtype == torch.bfloat16
