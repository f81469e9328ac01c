"""Counted bytes and those that the system sees, measured in processes of their own."""

from pathlib import Path

from experts.backbone import Backbone
from experts.benchmark.memory_benchmark import measure_memory, shipped_bytes
from experts.config import BackboneConfig, EngineConfig
from experts.source import load_backbone
from tests.experts.conftest import NUM_SHARED_LAYERS


def test_the_weights_of_an_engine_are_counted_once(model_directory: Path, backbone: Backbone) -> None:
    config = EngineConfig(BackboneConfig(str(model_directory), NUM_SHARED_LAYERS, "float32"))
    upper = sum(tensor.nbytes for tensor in backbone.upper_tensors().values())
    model = sum(parameter.nbytes for parameter in backbone.model.parameters())

    found = measure_memory(config, 2)

    assert found.model_bytes == model
    final_norm = backbone.embeddings.shape[1] * 4
    assert found.weight_bytes == model - upper - final_norm + 2 * upper


def test_the_shipped_experts_are_smaller_when_compact() -> None:
    """Seven sets of upper layers, or one and six deltas."""
    merged, compact = (shipped_bytes(EngineConfig(expert_form=form)) for form in ("merged", "compact"))

    backbone = load_backbone(BackboneConfig())
    upper = sum(tensor.nbytes for tensor in backbone.upper_tensors().values())
    assert merged - compact > 5 * upper
