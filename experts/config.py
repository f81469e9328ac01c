"""Frozen configuration, made once at the edge and passed down."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Dtype = Literal["auto", "bfloat16", "float32"]


@dataclass(frozen=True, slots=True)
class BackboneConfig:
    """Which transformer is split, and where."""

    source: str = "embedded"
    """`embedded` (SmolLM2-135M-Instruct from a Python package), a local directory or a Hugging Face name."""
    num_shared_layers: int | None = None
    """l_b; without it 23 of 30 layers are shared, or the same part of another depth."""
    dtype: Dtype = "auto"
    """`auto` is bfloat16 where the processor multiplies it, float32 elsewhere."""
    cache_dir: Path = Path("~/.cache/ccoe")


@dataclass(frozen=True, slots=True)
class SchedulerConfig:
    """Limits of one engine step."""

    max_running: int = 32
    """Sequences that hold blocks at once."""
    max_step_tokens: int = 512
    """Tokens computed in one step, over all sequences."""
    max_chunk_tokens: int = 256
    """Of one sequence, so that a long prompt does not hold up everybody's next token."""


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """What an engine serves."""

    backbone: BackboneConfig = BackboneConfig()
    experts_dir: Path | None = None
    """Where pushed experts are kept; None keeps none beyond the built-in ones."""
    with_builtin: bool = True
    num_threads: int | None = None
    """Threads of torch; None leaves its default."""
    scheduler: SchedulerConfig = SchedulerConfig()
    block_size: int = 16
    """Tokens of one block of the paged cache."""
    cache_bytes: int = 512 * 2**20
    """Of the paged cache; the memory is taken as it fills."""
    max_sequences: int = 64
    """Sequences that may wait or run at once; one more is refused as busy."""
