"""Experts on disk: `card.json` and `weights.safetensors` in a directory."""

import hashlib
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from experts.backbone import Backbone, hash_tensors
from experts.card import ExpertCard
from experts.errors import CheckpointError
from experts.expert import Expert, projection_names
from experts.whole_directory import whole_directory

WEIGHTS_FILE = "weights.safetensors"


def content_version(card: ExpertCard, tensors: dict[str, Tensor]) -> str:
    """The version of an expert: a hash of what it computes (weights, form, backbone, suffix, tool)."""
    parts = [card.backbone_hash, str(card.num_shared_layers), str(card.low_rank), card.suffix, str(card.tool)]
    return hashlib.sha256("\n".join([hash_tensors(tensors), *parts]).encode()).hexdigest()[:12]


def save_expert(expert: Expert, directory: Path) -> ExpertCard:
    """Write an expert, whole or not at all; returns its card with the version of its content."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in expert.tensors.items()}
    card = expert.card.model_copy(update={"version": content_version(expert.card, tensors)})
    with whole_directory(directory) as staging:
        save_file(tensors, staging / WEIGHTS_FILE)
        card.save(staging)
    return card


def load_expert(directory: Path, backbone: Backbone) -> Expert:
    """Read an expert and check it against the backbone.

    Raises CheckpointError naming the damaged file, the other backbone, or the tensor that is missing, too many or
    of the wrong shape.
    """
    card = ExpertCard.load(directory)
    check_backbone(card, directory, backbone)
    path, tensors = directory / WEIGHTS_FILE, read_weights(directory)
    _check_tensors(card, path, tensors, backbone)
    if (version := content_version(card, tensors)) != card.version:
        raise CheckpointError(
            path, f"content hash is {version}, the card says {card.version}; it was changed or damaged"
        )
    return Expert(card, tensors)


def read_weights(directory: Path) -> dict[str, Tensor]:
    """An expert's tensors by name, checked against nothing. Raises CheckpointError if the file cannot be read."""
    path = directory / WEIGHTS_FILE
    try:
        return load_file(path)
    except (FileNotFoundError, SafetensorError, OSError) as error:
        raise CheckpointError(path, f"cannot be read ({error}); copy the expert again") from error


def check_backbone(card: ExpertCard, directory: Path, backbone: Backbone) -> None:
    """Raise CheckpointError if the expert was made for another backbone or another split."""
    split = (backbone.num_shared_layers, backbone.num_layers)
    if (card.num_shared_layers, card.num_layers) != split:
        made_for = f"made for {card.num_shared_layers} of {card.num_layers} layers shared"
        reason = f"{made_for}, this backbone has {split[0]} of {split[1]}"
        raise CheckpointError(directory, f"{reason}; retrain it or change l_b")
    if card.backbone_hash != backbone.hash:
        reason = f"made for backbone {card.backbone_hash[:12]}, this one is {backbone.hash[:12]}"
        raise CheckpointError(
            directory, f"{reason}; a GGUF and a hub copy of one model differ too: retrain it for this one"
        )


def _check_tensors(card: ExpertCard, path: Path, tensors: dict[str, Tensor], backbone: Backbone) -> None:
    expected = _expected_shapes(card, tensors, backbone)
    if missing := sorted(expected.keys() - tensors.keys()):
        raise CheckpointError(path, f"tensor {missing[0]!r} is missing ({len(missing)} in all); copy the expert again")
    if unknown := sorted(tensors.keys() - expected.keys()):
        raise CheckpointError(
            path, f"tensor {unknown[0]!r} does not belong to the upper layers ({len(unknown)} in all)"
        )
    for name, shape in expected.items():
        if tuple(tensors[name].shape) != shape:
            raise CheckpointError(path, f"tensor {name!r} has shape {tuple(tensors[name].shape)}, expected {shape}")


def _expected_shapes(card: ExpertCard, tensors: dict[str, Tensor], backbone: Backbone) -> dict[str, tuple[int, ...]]:
    if card.low_rank is None:
        return {name: tuple(tensor.shape) for name, tensor in backbone.upper_tensors().items()}
    shapes: dict[str, tuple[int, ...]] = {}
    present = {name.rsplit(".", 1)[0] for name in tensors}
    for name, module in projection_names(backbone).items():
        if name in present:  # a delta that is zero may be left out, but a pair comes whole
            shapes[f"{name}.lora_A"] = (card.low_rank.rank, module.in_features)
            shapes[f"{name}.lora_B"] = (module.out_features, card.low_rank.rank)
    return shapes
