"""The experts' upper layers in memory, merged when first asked for."""

import copy
from collections.abc import Collection
from pathlib import Path

from torch import nn

from experts.backbone import Backbone
from experts.card import ExpertCard
from experts.checkpoint import load_expert
from experts.engine.attention import AttentionKind
from experts.engine.fused_layer import FusedLayer, agrees, try_layers
from experts.engine.projections import prepare, prepared
from experts.engine.sequence import ExpertKey
from experts.expert import general_expert
from experts.registry import Entry, Registry


class ModelPool:
    """Upper layers by name and version. Not thread-safe: the engine's thread owns it."""

    def __init__(self, backbone: Backbone, registry: Registry) -> None:
        self.backbone, self.registry = backbone, registry
        self._layers: dict[ExpertKey, nn.ModuleList] = {}
        registry.add(Entry(general_expert(backbone).card, None))
        # its hash is known now; the upper layers stay as they are, experts are merged from them
        shared = backbone.layers[: backbone.num_shared_layers]
        trials = try_layers(backbone)
        prepare(shared)
        self._kinds: list[AttentionKind] | None = None
        if trials is not None:
            layers = [FusedLayer(layer, trial.kind) for layer, trial in zip(shared, trials, strict=False)]
            if all(agrees(layer, trial) for layer, trial in zip(layers, trials, strict=False)):
                self._kinds, shared = [trial.kind for trial in trials], nn.ModuleList(layers)
        self.shared_layers, self.head = shared, prepared(backbone.head)

    def load(self, entry: Entry) -> ExpertKey:
        """Have one version of an expert in memory. Raises CheckpointError if its files do not fit."""
        key = (entry.card.name, entry.card.version)
        if key not in self._layers:
            backbone = self.backbone
            expert = general_expert(backbone) if entry.directory is None else load_expert(entry.directory, backbone)
            layers = expert.upper_layers(backbone)
            layers = copy.deepcopy(layers) if entry.directory is None else layers
            prepare(layers)
            if self._kinds is not None:
                kinds = self._kinds[backbone.num_shared_layers:]
                layers = nn.ModuleList([FusedLayer(layer, kind) for layer, kind in zip(layers, kinds, strict=True)])
            self._layers[key] = layers
        return key

    def layers(self, key: ExpertKey) -> nn.ModuleList:
        """The upper layers of a loaded expert."""
        return self._layers[key]

    def push(self, directory: Path) -> ExpertCard:
        """Check an expert's files against the backbone, then make it the active version. Raises CheckpointError."""
        load_expert(directory, self.backbone)
        return self.registry.push(directory).card

    def pop(self, name: str) -> ExpertCard:
        """Detach an expert; sequences that run keep its layers. Raises UnknownExpert."""
        return self.registry.pop(name).card

    def unload(self, in_use: Collection[ExpertKey]) -> None:
        """Let go of layers that are neither active nor used by a sequence."""
        active = {(entry.card.name, entry.card.version) for entry in self.registry.list()}
        self._layers = {key: layers for key, layers in self._layers.items() if key in active or key in in_use}
