"""Tuning that changes every layer: LoRA by PEFT, and all weights. The same rows, batches and loss as an expert's."""

import copy
from collections.abc import Callable, Sequence

import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import PreTrainedModel

from experts.backbone import Backbone
from experts.expert import PROJECTIONS
from experts.training.activations import EncodedRow
from experts.training.answer_loss import answer_loss
from experts.training.schedule import Schedule
from experts.training.trainer import TrainerConfig


def lora_on_all_layers(backbone: Backbone, config: TrainerConfig) -> nn.Module:
    """The original model with one adapter of PEFT on the seven projections of every layer; the rest is frozen."""
    torch.manual_seed(config.seed)
    lora = LoraConfig(r=config.rank, lora_alpha=round(config.alpha), target_modules=list(PROJECTIONS))
    return get_peft_model(copy.deepcopy(backbone.model), lora)


def all_weights(backbone: Backbone) -> PreTrainedModel:
    """The original model in float32, every weight trainable."""
    return copy.deepcopy(backbone.model).float().requires_grad_(True)


def train_whole_model(
    model: PreTrainedModel,
    rows: Sequence[EncodedRow],
    config: TrainerConfig,
    on_step: Callable[[int], None],
    *,
    mixed: bool,
) -> list[float]:
    """Change the trainable weights of a model, and return the mean loss of each epoch.

    `on_step` gets the tokens of the step just done. `mixed`: products in bfloat16.
    """
    trainable = [p for p in model.parameters() if p.requires_grad]
    schedule = Schedule.draw(rows, config.epochs, config.batch_tokens, config.accumulate, config.seed)
    optimizer = torch.optim.AdamW(trainable, lr=config.learning_rate, weight_decay=config.weight_decay)
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, schedule.rate(config.warmup))
    model.set_attn_implementation("eager")  # as an expert's training: faster than torch's own for grouped queries
    epoch_losses: list[float] = []
    for epoch in schedule.epochs:
        losses: list[float] = []
        for (batch,) in epoch:
            optimizer.zero_grad(set_to_none=True)
            chosen = [rows[i] for i in batch]
            loss = answer_loss(model, chosen, mixed=mixed)
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(trainable, config.max_gradient_norm)
            optimizer.step()
            rate.step()
            losses.append(loss.item())
            on_step(sum(row.num_tokens for row in chosen))
        epoch_losses.append(sum(losses) / len(losses))
    return epoch_losses
