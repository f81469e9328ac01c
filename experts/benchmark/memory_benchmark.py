"""What the weights of an engine take in memory: counted, and seen by the system in a process of its own."""

import copy
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from transformers import AutoModelForCausalLM

from experts.benchmark.engine_benchmark import EngineBenchmark
from experts.benchmark.resident import resident_bytes
from experts.config import BackboneConfig, EngineConfig
from experts.engine.model_pool import ModelPool
from experts.registry import Registry
from experts.source import load_backbone

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Memory:
    """Of one process that holds an engine with its experts."""

    weight_bytes: int
    """Counted: every tensor of weights in memory, fused copies included; not what is left in the backbone's file."""
    resident_bytes: int
    """Seen by the system (RSS) directly after loading, less what the same process takes with a model of next to no
    weights. Embeddings that are looked up later come on top, page by page."""
    model_bytes: int
    """Of one whole model."""


def measure_memory(config: EngineConfig, num_experts: int) -> Memory:
    """An engine with so many random experts. Each of the three processes takes seconds to start."""
    with TemporaryDirectory(prefix="ccoe-memory-") as folder:
        tiny = replace(config, backbone=_in_new_process(_make_tiny, config.backbone, Path(folder) / "tiny"))
        weights, resident, model = _in_new_process(_measure, config, num_experts, Path(folder) / "experts")
        _, without, _ = _in_new_process(_measure, tiny, num_experts, Path(folder) / "tiny-experts")
    return Memory(weights, resident - without, model)


def shipped_bytes(config: EngineConfig) -> int:
    """Counted bytes with all built-in experts and `general` in memory."""
    pool = ModelPool(load_backbone(config.backbone), Registry(None), config)
    for entry in pool.registry.list():
        pool.load(entry)
    return pool.loader.num_bytes + pool.num_bytes


def _in_new_process(function: Callable[..., Result], *arguments: object) -> Result:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as executor:
        return executor.submit(function, *arguments).result()


def _measure(config: EngineConfig, num_experts: int, folder: Path) -> tuple[int, int, int]:
    """Bytes of weights, of the process, and of one model."""
    backbone = load_backbone(config.backbone)
    model = backbone.num_bytes
    benchmark = EngineBenchmark(backbone, config, folder, num_experts)
    backbone.release()
    return benchmark.weight_bytes, resident_bytes(), model


def _make_tiny(config: BackboneConfig, directory: Path) -> BackboneConfig:
    """A model of the same family with the same tokenizer and number of layers, but small ones."""
    backbone = load_backbone(config)
    small = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 1, "num_key_value_heads": 1}
    settings: Any = copy.deepcopy(backbone.model.config)
    settings.update({**small, "head_dim": 16})
    AutoModelForCausalLM.from_config(settings, dtype=backbone.embeddings.dtype).save_pretrained(directory)
    backbone.tokenizer.save_pretrained(directory)
    return replace(config, source=str(directory), num_shared_layers=backbone.num_shared_layers)
