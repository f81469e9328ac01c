"""Upper layers with trainable low-rank deltas."""

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from experts.backbone import Backbone
from experts.card import LowRank
from experts.expert import projection_names


class LowRankLinear(nn.Module):
    """A frozen projection plus (alpha / rank) B A; A and B are kept in float32 and multiplied in the layer's dtype."""

    def __init__(self, linear: nn.Linear, low_rank: LowRank, generator: torch.Generator) -> None:
        super().__init__()
        self.linear = linear
        self.scale = low_rank.alpha / low_rank.rank
        bound = 1 / math.sqrt(linear.in_features)
        down = torch.rand(low_rank.rank, linear.in_features, generator=generator) * 2 * bound - bound
        self.lora_A = nn.Parameter(down)
        self.lora_B = nn.Parameter(torch.zeros(linear.out_features, low_rank.rank))

    def forward(self, hidden_states: Tensor) -> Tensor:
        down = functional.linear(hidden_states, self.lora_A.to(hidden_states.dtype))
        delta = functional.linear(down, self.lora_B.to(hidden_states.dtype))
        return self.linear(hidden_states) + self.scale * delta


def low_rank_layers(backbone: Backbone, low_rank: LowRank, seed: int) -> nn.ModuleList:
    """A copy of the upper layers whose projections have trainable deltas; everything else is frozen."""
    layers = copy.deepcopy(backbone.layers[backbone.num_shared_layers :]).requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    for name in projection_names(backbone):
        _, index, path = name.split(".", 2)
        layer = layers[int(index) - backbone.num_shared_layers]
        parent, _, leaf = path.rpartition(".")
        owner = layer.get_submodule(parent)
        setattr(owner, leaf, LowRankLinear(owner.get_submodule(leaf), low_rank, generator))  # pyright: ignore[reportArgumentType]
    return layers


def low_rank_tensors(backbone: Backbone, layers: nn.ModuleList) -> dict[str, Tensor]:
    """The deltas in bf16 by the names that checkpoints use."""
    tensors: dict[str, Tensor] = {}
    for index, layer in enumerate(layers, backbone.num_shared_layers):
        for name, module in layer.named_modules():
            if isinstance(module, LowRankLinear):
                tensors[f"layers.{index}.{name}.lora_A"] = module.lora_A.detach().to(torch.bfloat16)
                tensors[f"layers.{index}.{name}.lora_B"] = module.lora_B.detach().to(torch.bfloat16)
    return tensors
