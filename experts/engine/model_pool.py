"""The experts in memory: loaded when first asked for, let go when the budget is short or their version is outdated."""

from collections import OrderedDict
from collections.abc import Collection
from pathlib import Path

from torch import nn

from experts.backbone import Backbone
from experts.card import ExpertCard
from experts.checkpoint import load_expert
from experts.config import EngineConfig
from experts.engine.expert_loader import ExpertLoader, LoadedExpert
from experts.engine.sequence import ExpertKey
from experts.expert import general_expert
from experts.gating.classifier import fitting_classifier
from experts.gating.gate import Gate
from experts.registry import Entry, Registry


class ModelPool:
    """Upper layers by name and version. Not thread-safe, apart from `loader`: the engine's thread owns it."""

    def __init__(self, backbone: Backbone, registry: Registry, config: EngineConfig) -> None:
        self.backbone, self.registry = backbone, registry
        registry.add(Entry(general_expert(backbone).card, None))  # its hash is taken before the layers are prepared
        self.loader = ExpertLoader(backbone, config.expert_form, config.decode_weights)
        self._budget = config.expert_bytes
        self._loaded: OrderedDict[ExpertKey, LoadedExpert] = OrderedDict()
        """Least recently used first."""

    @property
    def num_bytes(self) -> int:
        """Of the experts in memory, without what they share."""
        return sum(expert.num_bytes for expert in self._loaded.values())

    def has(self, key: ExpertKey) -> bool:
        """Whether an expert is in memory; any thread may ask."""
        return key in self._loaded

    def load(self, entry: Entry) -> ExpertKey:
        """Have one version of an expert in memory. Raises CheckpointError if its files do not fit."""
        key = entry.card.key
        if key not in self._loaded:
            self.keep(key, self.loader.load(entry.directory))
        self._loaded.move_to_end(key)
        return key

    def keep(self, key: ExpertKey, expert: LoadedExpert) -> None:
        """Take an expert that was loaded aside."""
        self._loaded[key] = expert

    def layers(self, key: ExpertKey) -> nn.ModuleList:
        """The upper layers of a loaded expert."""
        return self._loaded[key].layers

    def check(self, directory: Path) -> None:
        """Read an expert's files and check them against the backbone; any thread may. Raises CheckpointError."""
        load_expert(directory, self.backbone)

    def push(self, directory: Path) -> ExpertCard:
        """Make a checked expert the active version of its name. Raises CheckpointError."""
        return self.registry.push(directory).card

    def pop(self, name: str) -> ExpertCard:
        """Detach an expert; sequences that run keep its layers. Raises UnknownExpert."""
        return self.registry.pop(name).card

    def gate(self) -> Gate:
        """The active experts' rules, and the first trained gate that fits the backbone."""
        backbone = self.backbone
        split = (backbone.num_shared_layers, backbone.num_layers)
        classifier, remark = fitting_classifier(self.registry.gate_files(), backbone.hash, split)
        return Gate([entry.card for entry in self.registry.list()], classifier, remark)

    def unload(self, in_use: Collection[ExpertKey]) -> None:
        """Let go of experts that no sequence uses: inactive versions, then as many as the budget asks.

        The most recent one stays in any case: whoever had it loaded is about to use it.
        """
        active = {entry.card.key for entry in self.registry.list()}
        for key in [key for key in self._loaded if key not in in_use]:
            is_over = self._budget is not None and self.num_bytes > self._budget
            if key not in active or (is_over and key != next(reversed(self._loaded))):
                del self._loaded[key]
