"""Trains one expert's upper layers, in full or as low-rank deltas, on cached boundary activations."""

import copy
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from experts.backbone import Backbone
from experts.card import LowRank
from experts.stand_ins import Replay
from experts.training.activations import EncodedRow, boundary_activations, pad, stack_of
from experts.training.low_rank import low_rank_layers, low_rank_tensors


@dataclass(frozen=True, slots=True)
class TrainerConfig:
    """How an expert is trained. Learning rate rises over `warmup` of the steps, then falls linearly to zero."""

    form: Literal["full", "low_rank"] = "low_rank"
    rank: int = 16
    alpha: float = 32.0
    epochs: int = 4
    batch_tokens: int = 1024
    """Padded tokens in one step."""
    learning_rate: float = 1e-3
    """Full upper layers want less, about 3e-4."""
    warmup: float = 0.06
    weight_decay: float = 0.0
    max_gradient_norm: float = 1.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """Where training is."""

    phase: Literal["caching", "training"]
    done: int
    """Tokens so far, over all epochs."""
    total: int
    loss: float | None = None


@dataclass(frozen=True, slots=True)
class Trained:
    """The outcome: tensors in the checkpoint's names, the mean loss of each epoch, how long it took."""

    tensors: dict[str, Tensor]
    low_rank: LowRank | None
    epoch_losses: tuple[float, ...]
    caching_seconds: float
    training_seconds: float


def train(
    backbone: Backbone, rows: Sequence[EncodedRow], config: TrainerConfig, on_progress: Callable[[Progress], None]
) -> Trained:
    """Train on rows; the backbone itself is left as it was. Loss and logits are taken at answer positions only."""
    start = time.perf_counter()
    total = sum(row.num_tokens for row in rows)
    cached = 0

    def on_cached(count: int) -> None:
        nonlocal cached
        cached += count
        on_progress(Progress("caching", cached, total))

    activations = boundary_activations(backbone, rows, on_cached)
    caching_seconds = time.perf_counter() - start
    low_rank = LowRank(rank=config.rank, alpha=config.alpha) if config.form == "low_rank" else None
    layers = _trainable_layers(backbone, low_rank, config.seed)
    losses = _run_epochs(backbone, layers, rows, activations, config, on_progress)
    seconds = time.perf_counter() - start - caching_seconds
    tensors = low_rank_tensors(backbone, layers) if low_rank else _full_tensors(backbone, layers)
    return Trained(tensors, low_rank, tuple(losses), caching_seconds, seconds)


def _trainable_layers(backbone: Backbone, low_rank: LowRank | None, seed: int) -> nn.ModuleList:
    if low_rank is not None:
        return low_rank_layers(backbone, low_rank, seed)
    return copy.deepcopy(backbone.layers[backbone.num_shared_layers :]).float().requires_grad_(True)


def _full_tensors(backbone: Backbone, layers: nn.ModuleList) -> dict[str, Tensor]:
    upper = enumerate(layers, backbone.num_shared_layers)
    return {f"layers.{i}.{n}": t.to(backbone.model.dtype) for i, layer in upper for n, t in layer.state_dict().items()}


def _run_epochs(
    backbone: Backbone,
    layers: nn.ModuleList,
    rows: Sequence[EncodedRow],
    activations: Sequence[Tensor],
    config: TrainerConfig,
    on_progress: Callable[[Progress], None],
) -> list[float]:
    parameters = [parameter for parameter in layers.parameters() if parameter.requires_grad]
    rng = random.Random(config.seed)
    epochs = [_shuffled_batches(rows, config.batch_tokens, rng) for _ in range(config.epochs)]
    num_steps = sum(len(epoch) for epoch in epochs)
    optimizer = torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=config.weight_decay)
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, _warmup_then_linear(num_steps, config.warmup))
    replay = Replay()
    epoch_losses: list[float] = []
    done, total = 0, sum(row.num_tokens for row in rows) * config.epochs
    with stack_of(backbone, [replay], layers, norm=True):
        for epoch in epochs:
            losses: list[float] = []
            for batch in epoch:
                loss = _batch_loss(backbone, replay, [rows[i] for i in batch], [activations[i] for i in batch])
                optimizer.zero_grad(set_to_none=True)
                torch.autograd.backward(loss)
                nn.utils.clip_grad_norm_(parameters, config.max_gradient_norm)
                optimizer.step()
                rate.step()
                losses.append(loss.item())
                done += sum(rows[i].num_tokens for i in batch)
                on_progress(Progress("training", done, total, losses[-1]))
            epoch_losses.append(sum(losses) / len(losses))
    return epoch_losses


def _batch_loss(
    backbone: Backbone, replay: Replay, rows: Sequence[EncodedRow], activations: Sequence[Tensor]
) -> Tensor:
    """Mean cross-entropy of the answers' tokens."""
    input_ids = pad(rows)
    replay.activations = nn.utils.rnn.pad_sequence(list(activations), batch_first=True)  # [num_rows, longest, hidden]
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=backbone.model.dtype == torch.bfloat16):
        output = backbone.model.base_model(input_ids=input_ids, use_cache=False)[0]
        predicting = torch.zeros_like(input_ids, dtype=torch.bool)
        for i, row in enumerate(rows):
            predicting[i, row.num_prompt_tokens - 1 : row.num_tokens - 1] = True
        logits = backbone.head(output[predicting])  # [num_answer_tokens, vocabulary]
    wanted = input_ids[torch.roll(predicting, 1, dims=1)]
    return functional.cross_entropy(logits.float(), wanted)


def _shuffled_batches(rows: Sequence[EncodedRow], batch_tokens: int, rng: random.Random) -> list[list[int]]:
    """Batches of similar lengths; which rows meet changes with each epoch, the number of batches hardly does."""
    order = sorted(range(len(rows)), key=lambda i: rows[i].num_tokens * rng.uniform(0.9, 1.1))
    groups: list[list[int]] = [[]]
    for index in order:
        longest = max([rows[index].num_tokens, *(rows[i].num_tokens for i in groups[-1])])
        if groups[-1] and (len(groups[-1]) + 1) * longest > batch_tokens:
            groups.append([])
        groups[-1].append(index)
    rng.shuffle(groups)
    return groups


def _warmup_then_linear(num_steps: int, warmup: float) -> Callable[[int], float]:
    rising = max(1, round(num_steps * warmup))
    return lambda step: min((step + 1) / rising, (num_steps - step) / max(1, num_steps - rising + 1))
