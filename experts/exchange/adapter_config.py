"""The configuration of a PEFT LoRA adapter: what it says, and what of it an expert can be. No torch."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from experts.card import LowRank
from experts.errors import ExchangeError

CONFIG_FILE = "adapter_config.json"
# they say where an adapter fits, which its tensors say too, or concern its training alone
_WITHOUT_EFFECT = {
    "peft_type", "task_type", "auto_mapping", "peft_version", "base_model_name_or_path", "revision", "inference_mode",
    "r", "lora_alpha", "lora_dropout", "use_rslora", "rank_pattern", "alpha_pattern", "init_lora_weights", "bias",
    "target_modules", "exclude_modules", "layers_to_transform", "layers_pattern", "qalora_group_size", "megatron_core",
    "loftq_config", "eva_config", "ensure_weight_tying", "runtime_config",
}  # fmt: skip
# the others change the backbone's weights when an adapter is put on
_KEEPS_THE_BACKBONE = (True, False, None, "gaussian", "eva", "orthogonal")


def adapter_config(low_rank: LowRank, projections: list[str], layers: list[int], base_model: str) -> dict[str, Any]:
    """What PEFT reads to put deltas on these projections of these layers only.

    `projections` are names that end a module's name, such as `q_proj`; without `layers` they are whole names.
    """
    alpha = low_rank.alpha
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_model,
        "inference_mode": True,
        "r": low_rank.rank,
        "lora_alpha": int(alpha) if alpha.is_integer() else alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": projections,
        "layers_to_transform": layers or None,
        "layers_pattern": "layers" if layers else None,
    }


def read_adapter_config(directory: Path) -> dict[str, Any]:
    """The configuration in a directory. Raises ExchangeError if there is none, or it is no LoRA adapter's."""
    path = directory / CONFIG_FILE
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise refusal(directory, f"no {CONFIG_FILE} there; name the directory of a PEFT adapter") from error
    except (json.JSONDecodeError, UnicodeDecodeError, OSError) as error:
        raise refusal(directory, f"{CONFIG_FILE} cannot be read ({error}); copy it again") from error
    if not isinstance(config, dict) or cast(dict[str, Any], config).get("peft_type") != "LORA":
        raise refusal(directory, "its peft_type is not LORA; only low-rank adapters can be experts")
    return cast(dict[str, Any], config)


def low_rank_of(config: Mapping[str, Any], directory: Path) -> LowRank:
    """Rank and alpha of all deltas; a rank-stabilised scale becomes an alpha that means the same.

    Raises ExchangeError naming the setting that an expert cannot have.
    """
    _check_settings(config, directory)
    rank, alpha = config.get("r", 8), config.get("lora_alpha", 8)
    for key, value in (("r", rank), ("lora_alpha", alpha)):
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise refusal(directory, f"{key} is {value!r}, not a positive number; correct {CONFIG_FILE}")
    if not isinstance(rank, int):
        raise refusal(directory, f"r is {rank!r}, not a whole number; correct {CONFIG_FILE}")
    for key, common in (("rank_pattern", rank), ("alpha_pattern", alpha)):
        pattern = cast(dict[str, Any], config.get(key) or {})
        if other := next((name for name, value in pattern.items() if value != common), None):
            reason = f"{key} gives {other!r} {pattern[other]} where all others have {common}"
            raise refusal(directory, f"{reason}; train it with one rank and one alpha")
    return LowRank(rank=rank, alpha=alpha * math.sqrt(rank) if config.get("use_rslora") else alpha)


def refusal(directory: Path, reason: str) -> ExchangeError:
    """The error of an adapter that cannot be an expert."""
    return ExchangeError(f"adapter at {str(directory)!r}", reason)


def _check_settings(config: Mapping[str, Any], directory: Path) -> None:
    if (bias := config.get("bias", "none")) != "none":
        raise refusal(directory, f"bias is {bias!r} and an expert's deltas have no biases; train it with bias 'none'")
    init = config.get("init_lora_weights", True)
    if init not in _KEEPS_THE_BACKBONE:
        reason = f"init_lora_weights is {init!r}, which changes the backbone's weights"
        raise refusal(directory, f"{reason}; convert it to a plain LoRA adapter with PEFT first")
    for key, value in config.items():
        if value and key not in _WITHOUT_EFFECT:
            raise refusal(directory, f"{key} is set and an expert cannot have it; train it without")
