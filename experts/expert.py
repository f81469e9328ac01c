"""An expert's upper layers, as tensors and as modules."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from experts.backbone import Backbone
from experts.card import ExpertCard, LowRank

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""The seven projections of a decoder layer that low-rank deltas change."""


@dataclass(frozen=True)
class Expert:
    """A domain's own upper layers: its card and its tensors by name.

    Full form: every tensor of the upper layers, `layers.<i>.<name>`. Low-rank form, for each changed projection:
    `<projection>.lora_A` [rank, in] and `<projection>.lora_B` [out, rank].
    """

    card: ExpertCard
    tensors: dict[str, Tensor]

    def upper_layers(self, backbone: Backbone) -> nn.ModuleList:
        """The merged upper layers as modules in the backbone's dtype, apart from the backbone's own."""
        if self.card.form == "backbone":
            return backbone.layers[backbone.num_shared_layers :]
        layers = copy.deepcopy(backbone.layers[backbone.num_shared_layers :])
        target = {f"layers.{i + backbone.num_shared_layers}": layer for i, layer in enumerate(layers)}
        parameters = {f"{p}.{n}": t for p, layer in target.items() for n, t in layer.state_dict().items()}
        merged = self.tensors if self.card.low_rank is None else merge(self.tensors, self.card.low_rank, parameters)
        with torch.no_grad():
            for name, tensor in merged.items():
                parameters[name].copy_(tensor)
        return layers


def merge(tensors: dict[str, Tensor], low_rank: LowRank, base: dict[str, Tensor]) -> dict[str, Tensor]:
    """W + (alpha / rank) B A of each changed projection, summed in float32, by the weight's name."""
    scale = low_rank.alpha / low_rank.rank
    merged: dict[str, Tensor] = {}
    for name, down in tensors.items():
        if name.endswith(".lora_A"):
            projection = name.removesuffix(".lora_A")
            delta = tensors[f"{projection}.lora_B"].float() @ down.float()  # [out, in]
            weight = base[f"{projection}.weight"]
            merged[f"{projection}.weight"] = (weight.float() + scale * delta).to(weight.dtype)
    return merged


def projection_names(backbone: Backbone) -> dict[str, nn.Linear]:
    """The upper layers' projections by name, `layers.<i>.….q_proj`."""
    found: dict[str, nn.Linear] = {}
    for index in range(backbone.num_shared_layers, backbone.num_layers):
        for name, module in backbone.layers[index].named_modules():
            if isinstance(module, nn.Linear) and name.rsplit(".", 1)[-1] in PROJECTIONS:
                found[f"layers.{index}.{name}"] = module
    return found


def general_expert(backbone: Backbone) -> Expert:
    """The backbone's own upper layers as an expert; assembled, it is the original model itself."""
    card = ExpertCard(
        name="general",
        domain="general",
        description="Everything that no domain expert is for: the backbone's own upper layers.",
        version=backbone.hash[:12],
        backbone_hash=backbone.hash,
        num_shared_layers=backbone.num_shared_layers,
        num_layers=backbone.num_layers,
        form="backbone",
        max_tokens=192,
    )
    return Expert(card, {})
