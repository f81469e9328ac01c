"""A tiny backbone, experts on it, and an engine that serves them from disk."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import torch

from experts.backbone import Backbone
from experts.card import ExpertCard, LowRank
from experts.checkpoint import save_expert
from experts.config import BackboneConfig, EngineConfig
from experts.engine.async_engine import AsyncEngine
from experts.expert import Expert, projection_names
from tests.experts.families import FAMILIES, Family, byte_tokenizer, make_model

NUM_SHARED_LAYERS = 2


def make_backbone(family: Family = FAMILIES[0]) -> Backbone:
    return Backbone.split(make_model(family), byte_tokenizer(), NUM_SHARED_LAYERS)


def make_card(backbone: Backbone, name: str, **more: Any) -> ExpertCard:
    fields: dict[str, Any] = {
        "name": name,
        "domain": name,
        "description": f"knows {name}",
        "version": "unsaved",
        "backbone_hash": backbone.hash,
        "num_shared_layers": backbone.num_shared_layers,
        "num_layers": backbone.num_layers,
        "form": "full",
    }
    return ExpertCard(**{**fields, **more})


def full_expert(backbone: Backbone, name: str, seed: int = 1) -> Expert:
    """An expert whose upper layers differ from the backbone's own in every tensor."""
    torch.manual_seed(seed)
    tensors = {n: t + 0.2 * torch.randn_like(t) for n, t in backbone.upper_tensors().items()}
    return Expert(make_card(backbone, name), tensors)


def low_rank_expert(backbone: Backbone, name: str, seed: int = 2) -> Expert:
    """An expert with a random delta on every projection."""
    torch.manual_seed(seed)
    tensors: dict[str, torch.Tensor] = {}
    for projection, module in projection_names(backbone).items():
        tensors[f"{projection}.lora_A"] = 0.3 * torch.randn(4, module.in_features)
        tensors[f"{projection}.lora_B"] = 0.3 * torch.randn(module.out_features, 4)
    return Expert(make_card(backbone, name, form="low_rank", low_rank=LowRank(rank=4, alpha=8.0)), tensors)


def save_model(backbone: Backbone, directory: Path) -> Path:
    """The tiny backbone as a directory that transformers loads."""
    backbone.model.save_pretrained(directory)
    backbone.tokenizer.save_pretrained(directory)
    return directory


@pytest.fixture
def backbone() -> Backbone:
    return make_backbone()


@pytest.fixture
def model_directory(tmp_path: Path, backbone: Backbone) -> Path:
    return save_model(backbone, tmp_path / "model")


def engine_config(model_directory: Path, experts_dir: Path, **more: Any) -> EngineConfig:
    source = BackboneConfig(str(model_directory), NUM_SHARED_LAYERS, "float32")
    return EngineConfig(source, experts_dir, with_builtin=False, **more)


@pytest.fixture
async def engine(model_directory: Path, tmp_path: Path, backbone: Backbone) -> AsyncIterator[AsyncEngine]:
    """An engine with the experts `general`, `law` (full) and `math` (low-rank)."""
    engine = await AsyncEngine.start(engine_config(model_directory, tmp_path / "experts"))
    for expert in (full_expert(backbone, "law"), low_rank_expert(backbone, "math")):
        save_expert(expert, tmp_path / expert.card.name)
        await engine.push(tmp_path / expert.card.name)
    yield engine
    await engine.close()
