"""Frozen configuration, made once at the edge and passed down."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Dtype = Literal["auto", "bfloat16", "float32"]
ExpertForm = Literal["merged", "compact"]
DecodeWeights = Literal["full", "int4"]


@dataclass(frozen=True, slots=True)
class BackboneConfig:
    """Which transformer is split, and where."""

    source: str = "embedded"
    """`embedded` (SmolLM2-135M-Instruct from a Python package), a local directory or a Hugging Face name."""
    num_shared_layers: int | None = None
    """l_b; without it 23 of 30 layers are shared, or the same part of another depth."""
    dtype: Dtype = "auto"
    """`auto` is bfloat16 where the processor multiplies it, float32 elsewhere."""
    device: str = "cpu"
    """Where the models run, in torch's words: `cpu`, `cuda`, `cuda:1`."""
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
    expert_form: ExpertForm = "merged"
    """In memory. `merged`: each expert has its own upper layers; fastest for one expert at a time. `compact`: low-rank
    experts share the backbone's upper layers and keep their deltas, 3 MB instead of 50 at rank 16 of the embedded
    backbone; faster for many at a time."""
    decode_weights: DecodeWeights = "full"
    """`int4`: layers that all share are kept in four bits too, and up to four rows are multiplied with those: for a
    single user, at a third more memory for these layers. Nearly exact for a backbone from a Q4_1 file, as the
    embedded one is."""
    expert_bytes: int | None = None
    """Of experts in memory; the least recently used ones that nobody uses make room. None: all that were used stay."""
    num_threads: int | None = None
    """Threads of torch; None leaves its default."""
    scheduler: SchedulerConfig = SchedulerConfig()
    block_size: int = 16
    """Tokens of one block of the paged cache."""
    cache_bytes: int = 512 * 2**20
    """Of the paged cache; the memory is taken as it fills."""
    max_sequences: int = 64
    """Sequences that may wait or run at once; one more is refused as busy."""
