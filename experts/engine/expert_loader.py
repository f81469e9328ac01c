"""From an expert's files to upper layers that the engine runs: merged, or compact beside the backbone's own."""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor, nn

from experts.backbone import Backbone
from experts.checkpoint import load_expert
from experts.config import DecodeWeights, ExpertForm
from experts.engine import attention
from experts.engine.attention import AttentionKind
from experts.engine.fused_layer import FusedLayer, agrees, try_layers
from experts.engine.low_rank import Delta
from experts.engine.projections import GROUPS, Part, Product, can_pack, num_bytes, prepare, prepared
from experts.expert import Expert

Module = TypeVar("Module", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class LoadedExpert:
    """An expert in memory."""

    layers: nn.ModuleList
    num_bytes: int
    """Of what no other expert has."""


class ExpertLoader:
    """Prepares a backbone's layers for the engine, and makes experts for them. Takes the backbone's own for it."""

    def __init__(self, backbone: Backbone, form: ExpertForm, decode_weights: DecodeWeights = "full") -> None:
        self._backbone, four_bit = backbone, decode_weights == "int4"
        attention.register()
        backbone.model.set_attn_implementation(attention.NAME)
        trials = try_layers(backbone)
        # a copy of the upper layers even if experts are merged: their form has to be tried too
        shared, upper = (
            backbone.layers[: backbone.num_shared_layers],
            self._own_copy(four_bit=four_bit and form == "compact"),
        )
        prepare(shared, four_bit=four_bit)
        self._kinds: list[AttentionKind] | None = None if trials is None else [trial.kind for trial in trials]
        self.shared_layers = self._fused(shared, 0)
        tried = [*self.shared_layers, *self._fused(upper, len(shared))]
        if trials is not None and not all(agrees(*pair) for pair in zip(tried, trials, strict=True)):
            self._kinds, self.shared_layers = None, shared
        self.head = prepared(backbone.head)
        self._base = upper if form == "compact" and all(map(_can_adapt, upper)) else None
        """The backbone's own upper layers, which compact experts share."""
        in_use = (shared, self.head, *([] if self._base is None else [self._base]))
        shares_head = backbone.is_tied and not can_pack(backbone.embeddings)
        kept = [*self._originals.parameters(), *([] if shares_head else [backbone.embeddings])]
        self.num_bytes = sum(map(num_bytes, in_use)) + backbone.bytes_in_memory(kept)
        """Of what all experts share in memory: shared layers, head, the upper layers that deltas are added to, and what
        is not left in the backbone's file of embeddings and original upper layers."""

    @property
    def is_fused(self) -> bool:
        """Whether the layers have the common form; transformers runs them otherwise."""
        return self._kinds is not None

    def load(self, directory: Path | None) -> LoadedExpert:
        """Read an expert, None for `general`; any thread may. Raises CheckpointError if its files do not fit."""
        backbone = self._backbone
        expert = None if directory is None else load_expert(directory, backbone)
        if self._base is not None and (expert is None or expert.card.low_rank is not None):
            return self._compact(self._base, expert)
        if expert is None:
            layers = self._own_copy()
        else:
            layers = expert.upper_layers(backbone)
            prepare(layers)
            backbone.release()
        return LoadedExpert(self._fused(layers, backbone.num_shared_layers), num_bytes(layers))

    @property
    def _originals(self) -> nn.ModuleList:
        return self._backbone.layers[self._backbone.num_shared_layers :]

    def _own_copy(self, *, four_bit: bool = False) -> nn.ModuleList:
        layers = copy.deepcopy(self._originals)
        prepare(layers, four_bit=four_bit)
        self._backbone.release()
        return layers

    def _compact(self, base: nn.ModuleList, expert: Expert | None) -> LoadedExpert:
        first = self._backbone.num_shared_layers
        if expert is None:
            return LoadedExpert(self._fused(base, first), 0)
        layers = [_adapted(layer, expert, first + index) for index, layer in enumerate(base)]
        parts = {id(part.product): part for layer in layers for part in layer.modules() if isinstance(part, Part)}
        deltas = [part.product.delta for part in parts.values()]
        of_deltas = sum(delta.num_bytes for delta in deltas if delta is not None)
        return LoadedExpert(self._fused(nn.ModuleList(layers), first), of_deltas)

    def _fused(self, layers: nn.ModuleList, first: int) -> nn.ModuleList:
        if self._kinds is None:
            return layers
        kinds = self._kinds[first : first + len(layers)]
        return nn.ModuleList([FusedLayer(layer, kind) for layer, kind in zip(layers, kinds, strict=True)])


def _adapted(layer: nn.Module, expert: Expert, index: int) -> nn.Module:
    """The layer with an expert's deltas beside its weights, which stay where they are."""
    assert expert.card.low_rank is not None
    scale = expert.card.low_rank.alpha / expert.card.low_rank.rank
    adapted: Any = _shallow_copy(layer)
    for parent_name in dict(GROUPS):
        setattr(adapted, parent_name, _shallow_copy(getattr(layer, parent_name)))
    for parent_name, names in GROUPS:
        parent: Any = getattr(adapted, parent_name)
        parts: list[Part] = [getattr(parent, name) for name in names]
        pairs = [_pair(expert.tensors, f"layers.{index}.{parent_name}.{name}") for name in names]
        delta = Delta.of(pairs, [part.out_features for part in parts], scale, adapted.input_layernorm.weight)
        product = Product(parts[0].product.weights, delta)
        for name, part in zip(names, parts, strict=True):
            setattr(parent, name, part.of(product))
    return adapted


def _pair(tensors: dict[str, Tensor], projection: str) -> tuple[Tensor, Tensor] | None:
    """A and B of a projection; a delta that is zero may be left out of the files."""
    down, up = tensors.get(f"{projection}.lora_A"), tensors.get(f"{projection}.lora_B")
    return None if down is None or up is None else (down, up)


def _shallow_copy(module: Module) -> Module:
    """Another module with the same children, which can then be replaced."""
    copied = copy.copy(module)
    copied._modules = dict(module._modules)  # pyright: ignore[reportPrivateUsage]
    return copied


def _can_adapt(layer: nn.Module) -> bool:
    """Whether all seven projections are parts of products that deltas can be added to."""
    parts = [getattr(getattr(layer, parent, None), name, None) for parent, names in GROUPS for name in names]
    return all(isinstance(part, Part) for part in parts)
