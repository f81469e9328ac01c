"""Assembled models: the shared backbone with one expert's upper layers on top, made when first asked for."""

from pathlib import Path

from transformers import PreTrainedModel

from experts.backbone import Backbone
from experts.card import ExpertCard
from experts.checkpoint import load_expert
from experts.expert import general_expert
from experts.registry import Entry, Registry


class ModelPool:
    """The models of a registry's experts, by name and version. Not thread-safe: the engine's thread owns it."""

    def __init__(self, backbone: Backbone, registry: Registry) -> None:
        self.backbone, self.registry = backbone, registry
        self._models: dict[tuple[str, str], PreTrainedModel] = {}
        registry.add(Entry(general_expert(backbone).card, None))

    def model(self, entry: Entry) -> PreTrainedModel:
        """The assembled model of one version of an expert. Raises CheckpointError if its files do not fit."""
        key = (entry.card.name, entry.card.version)
        if key not in self._models:
            if entry.directory is None:
                expert = general_expert(self.backbone)
            else:
                expert = load_expert(entry.directory, self.backbone)
            self._models[key] = self.backbone.assemble(expert.upper_layers(self.backbone))
        return self._models[key]

    def push(self, directory: Path) -> ExpertCard:
        """Check an expert's files against the backbone, then make it the active version. Raises CheckpointError."""
        load_expert(directory, self.backbone)
        return self.registry.push(directory).card

    def pop(self, name: str) -> ExpertCard:
        """Detach an expert and let its memory go; sequences that run keep the model they hold. Raises UnknownExpert."""
        card = self.registry.pop(name).card
        self._models.pop((card.name, card.version), None)
        return card
