"""Low-rank experts as PEFT LoRA adapters, and back."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from experts.backbone import Backbone
from experts.card import ExpertCard
from experts.errors import ExchangeError
from experts.exchange.adapter_config import CONFIG_FILE, adapter_config, low_rank_of, read_adapter_config, refusal
from experts.exchange.hub import HubName
from experts.exchange.new_directory import new_directory
from experts.expert import PROJECTIONS, Expert, projection_names

ADAPTER_FILE = "adapter_model.safetensors"
_PREFIX = "base_model.model."


@dataclass(frozen=True, slots=True)
class AdapterIdentity:
    """Who an adapter becomes as an expert; the adapter itself says nothing of it."""

    name: str
    domain: str
    description: str
    suffix: str = ""
    tool: str | None = None


def export_adapter(expert: Expert, backbone: Backbone, directory: Path, base_model: str = "") -> str:
    """Write a low-rank expert as an adapter of the original model that touches its upper layers only.

    `peft.PeftModel.from_pretrained` reads the directory. Returns the original model's name as the adapter states it:
    `base_model`, else the backbone's on the Hub, else the card's; empty if none is known. Raises ExchangeError for an
    expert in full form, or if the directory exists.
    """
    if expert.card.low_rank is None:
        what = f"expert {expert.card.name!r}"
        raise ExchangeError(what, f"it has the form {expert.card.form!r} and no deltas; export it with --as merged")
    modules = _module_names(backbone)
    tensors: dict[str, Tensor] = {}
    for name, tensor in expert.tensors.items():
        projection, _, part = name.rpartition(".")
        tensors[f"{_PREFIX}{modules[projection]}.{part}.weight"] = tensor.detach().cpu().contiguous()
    changed = sorted({name.rpartition(".")[0] for name in expert.tensors})
    targets, layers = _targets(changed, modules, backbone)
    base_model = base_model or backbone.hub_name or _hub_name_in(expert.card)
    config = adapter_config(expert.card.low_rank, targets, layers, base_model)
    with new_directory(directory) as staging:
        save_file(tensors, staging / ADAPTER_FILE, metadata={"format": "pt"})
        (staging / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        expert.card.save(staging)
    return base_model


def import_adapter(directory: Path, backbone: Backbone, identity: AdapterIdentity) -> Expert:
    """An adapter as a low-rank expert.

    Raises ExchangeError naming the setting, or the first tensor, that an expert cannot have: one in a shared layer,
    one that is none of the seven projections' deltas, one of another rank.
    """
    config = read_adapter_config(directory)
    low_rank = low_rank_of(config, directory)
    tensors = _expert_tensors(_read(directory), directory, backbone)
    _check_shapes(tensors, low_rank.rank, directory, backbone)
    card = ExpertCard(
        name=identity.name,
        domain=identity.domain,
        description=identity.description,
        suffix=identity.suffix,
        tool=identity.tool,
        version="unsaved",
        backbone_hash=backbone.hash,
        num_shared_layers=backbone.num_shared_layers,
        num_layers=backbone.num_layers,
        form="low_rank",
        low_rank=low_rank,
        training={"imported_from": "PEFT", "base_model": _stated_model(config)},
    )
    return Expert(card, tensors)


def _stated_model(config: Mapping[str, Any]) -> str:
    """The model that an adapter says it was trained on; of a directory its name, as a card may be published."""
    stated = str(config.get("base_model_name_or_path") or "unstated")
    return Path(stated).name if Path(stated).is_absolute() else stated


def _hub_name_in(card: ExpertCard) -> str:
    """The model that an imported adapter was trained on, if it is one of the Hub."""
    stated = str(card.training.get("base_model", ""))
    return stated if HubName.parse(stated) else ""


def _module_names(backbone: Backbone) -> dict[str, str]:
    """By an upper projection's name here, `layers.<i>.….q_proj`, its name in the original model."""
    names = {id(module): name for name, module in backbone.model.named_modules()}
    return {projection: names[id(module)] for projection, module in projection_names(backbone).items()}


def _targets(changed: Sequence[str], modules: dict[str, str], backbone: Backbone) -> tuple[list[str], list[int]]:
    """Names of projections and the layers, if every one of these has every one of those; else whole names."""
    layers = sorted({int(name.split(".")[1]) for name in changed})
    kinds = [kind for kind in PROJECTIONS if any(name.endswith(f".{kind}") for name in changed)]
    of_layers = [name for name in projection_names(backbone) if int(name.split(".")[1]) in layers]
    if set(changed) == {name for name in of_layers if name.rsplit(".", 1)[-1] in kinds}:
        return kinds, layers
    return [modules[name] for name in changed], []


def _read(directory: Path) -> dict[str, Tensor]:
    path = directory / ADAPTER_FILE
    try:
        tensors = load_file(path)
    except FileNotFoundError as error:
        reason = f"no {ADAPTER_FILE} there; an older .bin file is code as well as data, save it again with PEFT"
        raise refusal(directory, reason) from error
    except (SafetensorError, OSError) as error:
        raise refusal(directory, f"{ADAPTER_FILE} cannot be read ({error}); copy it again") from error
    if not tensors:
        raise refusal(directory, f"{ADAPTER_FILE} holds no tensors; there is nothing to import")
    return tensors


def _expert_tensors(tensors: dict[str, Tensor], directory: Path, backbone: Backbone) -> dict[str, Tensor]:
    known = {module: projection for projection, module in _module_names(backbone).items()}
    stack = next(name for name, module in backbone.model.named_modules() if module is backbone.layers)
    shared = tuple(f"{stack}.{index}." for index in range(backbone.num_shared_layers))
    found: dict[str, Tensor] = {}
    for name in sorted(tensors):
        module, _, part = name.removeprefix(_PREFIX).removesuffix(".weight").rpartition(".")
        if module.startswith(shared):
            layers = f"the first {backbone.num_shared_layers} of {backbone.num_layers} layers"
            reason = f"tensor {name!r} changes a layer that all experts share ({layers})"
            raise refusal(
                directory, f"{reason}; train it with layers_to_transform from {backbone.num_shared_layers} on"
            )
        if module not in known or part not in ("lora_A", "lora_B") or name != f"{_PREFIX}{module}.{part}.weight":
            reason = f"tensor {name!r} is no delta of {', '.join(PROJECTIONS)} in an upper layer"
            raise refusal(directory, f"{reason}; train it on these only")
        found[f"{known[module]}.{part}"] = tensors[name]
    return found


def _check_shapes(tensors: dict[str, Tensor], rank: int, directory: Path, backbone: Backbone) -> None:
    projections: dict[str, nn.Linear] = projection_names(backbone)
    for projection in sorted({name.rpartition(".")[0] for name in tensors}):
        module = projections[projection]
        expected = {"lora_A": (rank, module.in_features), "lora_B": (module.out_features, rank)}
        for part, shape in expected.items():
            name = f"{projection}.{part}"
            found = tuple(tensors[name].shape) if name in tensors else None
            if found != shape:
                reason = f"{name!r} is missing" if found is None else f"{name!r} has shape {found}, expected {shape}"
                raise refusal(directory, f"{reason}; it was made for another model or another rank")
