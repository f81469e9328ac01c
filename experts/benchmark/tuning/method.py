"""The ways of tuning that are compared, and what each makes of the same rows."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal, get_args

from torch import nn
from transformers import PreTrainedModel

from experts.backbone import Backbone
from experts.card import ExpertCard
from experts.expert import Expert
from experts.training.activations import EncodedRow
from experts.training.trainer import Progress, TrainerConfig, train

Method = Literal["low_rank", "full", "lora", "all_weights"]
METHODS: tuple[Method, ...] = get_args(Method)
EXPERTS: tuple[Method, ...] = ("low_rank", "full")
"""Those that leave the shared layers as they are."""
TITLES: dict[Method | Literal["general"], str] = {
    "general": "`general`",
    "low_rank": "expert, low-rank",
    "full": "expert, full",
    "lora": "LoRA on all layers (PEFT)",
    "all_weights": "full fine-tuning",
}
LEARNING_RATES: dict[Method, float] = {"low_rank": 3e-3, "full": 1e-3, "lora": 1e-3, "all_weights": 1e-4}
"""The better of two or three on held-out rows of `law`: short trainings want more than an expert's usual rate."""
OnDone = Callable[[int, int], None]
"""Gets the tokens done and those of all epochs, the rows' way through the shared layers included."""


@dataclass(slots=True)
class Tuned:
    """The model that came of it, and how it went."""

    model: PreTrainedModel
    num_parameters: int
    epoch_losses: Sequence[float]
    epoch_seconds: Sequence[float]


@dataclass(slots=True)
class _Watch:
    """When each epoch ended, told by the tokens."""

    epoch_tokens: int
    on_done: OnDone
    total: int
    tokens: int = 0
    ends: list[float] = field(default_factory=lambda: [time.perf_counter()])

    def step(self, num_tokens: int) -> None:
        self.tokens += num_tokens
        if self.tokens % self.epoch_tokens == 0:
            self.ends.append(time.perf_counter())
        self.on_done(self.tokens, self.total)

    @property
    def seconds(self) -> list[float]:
        return [end - begin for begin, end in zip(self.ends, self.ends[1:], strict=False)]


def tune(
    method: Method, backbone: Backbone, rows: Sequence[EncodedRow], config: TrainerConfig, on_done: OnDone
) -> Tuned:
    """Tune a copy of the model on the rows. An expert's first epoch includes computing the boundary activations."""
    epoch_tokens = sum(row.num_tokens for row in rows)
    watch = _Watch(epoch_tokens, on_done, epoch_tokens * config.epochs)
    if method in EXPERTS:
        return _expert(backbone, rows, config, watch)
    module: Any = import_module("experts.benchmark.tuning.whole_model")
    mixed = backbone.model.dtype.itemsize == 2
    tuned = module.lora_on_all_layers(backbone, config) if method == "lora" else module.all_weights(backbone)
    model = tuned.get_base_model() if method == "lora" else tuned
    number = _trainable(model)
    losses = module.train_whole_model(model, rows, config, watch.step, mixed=mixed)
    if method == "lora":  # summed in float32, as an expert's deltas are
        model = tuned.float().merge_and_unload()
    model.generation_config = backbone.model.generation_config
    return Tuned(model.to(backbone.model.dtype).eval(), number, losses, watch.seconds)


def _expert(backbone: Backbone, rows: Sequence[EncodedRow], config: TrainerConfig, watch: _Watch) -> Tuned:
    def on_progress(progress: Progress) -> None:
        if progress.phase == "training":
            watch.step(progress.done - watch.tokens)

    trained = train(backbone, rows, config, on_progress)
    card = ExpertCard(
        name="tuned",
        domain="tuned",
        description="Tuned to be compared.",
        version="unsaved",
        backbone_hash=backbone.hash,
        num_shared_layers=backbone.num_shared_layers,
        num_layers=backbone.num_layers,
        form=config.form,
        low_rank=trained.low_rank,
    )
    model = backbone.assemble(Expert(card, trained.tensors).upper_layers(backbone))
    number = sum(tensor.numel() for tensor in trained.tensors.values())
    return Tuned(model, number, trained.epoch_losses, watch.seconds)


def _trainable(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
