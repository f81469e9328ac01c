"""Trains one expert's upper layers, in full or as low-rank deltas, on cached boundary activations."""

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from experts.backbone import Backbone
from experts.card import LowRank
from experts.stand_ins import Replay
from experts.training.activation_store import ActivationStore
from experts.training.activations import EncodedRow, boundary_activations, rows_hash, stack_of
from experts.training.answer_loss import answer_loss, mean_answer_loss
from experts.training.low_rank import low_rank_layers, low_rank_tensors
from experts.training.schedule import Schedule, Step
from experts.training.training_checkpoint import TrainingCheckpoint


@dataclass(frozen=True, slots=True)
class TrainerConfig:
    """How an expert is trained. Learning rate rises over `warmup` of the steps, then falls linearly to zero."""

    form: Literal["full", "low_rank"] = "low_rank"
    rank: int = 16
    alpha: float = 32.0
    epochs: int = 4
    batch_tokens: int = 1024
    """Padded tokens in one batch."""
    accumulate: int = 1
    """Batches in one step; their gradients are weighted as if they were one batch."""
    learning_rate: float = 1e-3
    """Full upper layers want less, about 3e-4."""
    warmup: float = 0.06
    weight_decay: float = 0.0
    max_gradient_norm: float = 1.0
    patience: int = 2
    """Epochs without a lower dev loss after which training ends; without dev rows it has no effect."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class TrainingFiles:
    """What a training keeps on disk. Without a store activations stay in memory, without a path nothing is saved."""

    store: ActivationStore | None = None
    checkpoint: Path | None = None
    """Saved at each epoch's end and in between; removing it when the expert is saved is the caller's."""
    resume: bool = False
    """Go on from the checkpoint if there is one, and make no expert that is there, made with the same."""
    expert: Path | None = None
    """Where the finished expert is going to be."""
    save_every_seconds: float = 300.0


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
    step_losses: tuple[float, ...]
    dev_losses: tuple[float, ...]
    """Of each epoch's end, if there are dev rows; the tensors are those of the lowest."""
    caching_seconds: float
    training_seconds: float


@dataclass(frozen=True, slots=True)
class _Set:
    """Rows with their activations, `[num_tokens, hidden]` each."""

    rows: Sequence[EncodedRow]
    activations: Sequence[Tensor]


@dataclass(slots=True)
class _Standing:
    """How far a training is: plain values, which a checkpoint keeps as they are."""

    epoch: int = 0
    step: int = 0
    """Of the epoch, done."""
    num_tokens: int = 0
    seconds: float = 0.0
    step_losses: list[float] = field(default_factory=list[float])
    epoch_losses: list[float] = field(default_factory=list[float])
    dev_losses: list[float] = field(default_factory=list[float])

    @property
    def best_epoch(self) -> int:
        return min(range(len(self.dev_losses)), key=self.dev_losses.__getitem__, default=0)

    def is_over(self, config: TrainerConfig) -> bool:
        """Whether all epochs are done, or the last ones have not made the dev loss lower."""
        waited = len(self.dev_losses) - 1 - self.best_epoch
        return self.epoch >= config.epochs or (bool(self.dev_losses) and waited >= config.patience)


def train(
    backbone: Backbone,
    rows: Sequence[EncodedRow],
    config: TrainerConfig,
    on_progress: Callable[[Progress], None],
    *,
    dev_rows: Sequence[EncodedRow] = (),
    files: TrainingFiles | None = None,
) -> Trained:
    """Train and return the expert's tensors; the backbone is left as it was, its own upper layers too.

    With dev rows their loss decides when it ends and which epoch's weights are kept. Raises TrainingFileError, and
    ResumeRefused if the checkpoint was made with other rows, another backbone or another configuration.
    """
    files, start = files or TrainingFiles(), time.perf_counter()
    depends_on = made_with(backbone, rows, dev_rows, config)
    checkpoint = None if files.checkpoint is None else TrainingCheckpoint(files.checkpoint, depends_on)
    saved = checkpoint.load() if checkpoint and files.resume else None
    own, dev = _with_activations(backbone, (rows, dev_rows), files.store, on_progress)
    caching_seconds = time.perf_counter() - start
    low_rank = LowRank(rank=config.rank, alpha=config.alpha) if config.form == "low_rank" else None
    layers = _trainable_layers(backbone, low_rank, config.seed)
    course = _Course(backbone, layers, own, dev, config)
    if saved is not None:
        course.restore(saved)
    course.run(on_progress, checkpoint, files)
    standing = course.standing
    tensors = low_rank_tensors(backbone, layers) if low_rank else _full_tensors(backbone, layers)
    losses = (tuple(standing.epoch_losses), tuple(standing.step_losses), tuple(standing.dev_losses))
    return Trained(tensors, low_rank, *losses, caching_seconds, standing.seconds)


class _Course:
    """The steps of one training, from any of them on."""

    def __init__(self, backbone: Backbone, layers: nn.ModuleList, own: _Set, dev: _Set, config: TrainerConfig) -> None:
        self._backbone, self._layers, self._own, self._dev, self._config = backbone, layers, own, dev, config
        self._trainable = {name: p for name, p in layers.named_parameters() if p.requires_grad}
        self._schedule = Schedule.draw(own.rows, config.epochs, config.batch_tokens, config.accumulate, config.seed)
        self._optimizer = torch.optim.AdamW(
            list(self._trainable.values()), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self._rate = torch.optim.lr_scheduler.LambdaLR(self._optimizer, self._schedule.rate(config.warmup))
        self._replay = Replay()
        self._best: dict[str, Tensor] | None = None
        self.standing = _Standing()

    def run(
        self, on_progress: Callable[[Progress], None], checkpoint: TrainingCheckpoint | None, files: TrainingFiles
    ) -> None:
        """All steps that are left; the checkpoint is saved before anybody hears of the step that it holds."""
        standing, last_save = self.standing, time.perf_counter()
        begun = last_save - standing.seconds
        total = sum(row.num_tokens for row in self._own.rows) * self._config.epochs
        with stack_of(self._backbone, [self._replay], self._layers, norm=True):
            while not standing.is_over(self._config):
                ended = self._advance()
                now = time.perf_counter()
                standing.seconds = now - begun
                if checkpoint and (ended or now - last_save >= files.save_every_seconds):
                    checkpoint.save(self._state())
                    last_save = now
                on_progress(Progress("training", standing.num_tokens, total, standing.step_losses[-1]))
        if self._best is not None:
            self._load_weights(self._best)

    def _advance(self) -> bool:
        """One step; True if an epoch ended with it."""
        standing = self.standing
        steps = self._schedule.epochs[standing.epoch]
        standing.step_losses.append(self._take(steps[standing.step]))
        standing.num_tokens += sum(self._own.rows[i].num_tokens for batch in steps[standing.step] for i in batch)
        standing.step += 1
        if standing.step < len(steps):
            return False
        standing.epoch_losses.append(sum(standing.step_losses[-len(steps) :]) / len(steps))
        standing.epoch, standing.step = standing.epoch + 1, 0
        if self._dev.rows:
            self._judge()
        return True

    def _take(self, step: Step) -> float:
        """One step of the optimizer; returns the loss of its batches, weighted by their answers' tokens."""
        counts = [sum(self._own.rows[i].num_answer_tokens for i in batch) for batch in step]
        self._optimizer.zero_grad(set_to_none=True)
        total = 0.0
        for batch, count in zip(step, counts, strict=True):
            rows, activations = [self._own.rows[i] for i in batch], [self._own.activations[i] for i in batch]
            loss = answer_loss(self._backbone, self._replay, rows, activations) * (count / sum(counts))
            torch.autograd.backward(loss)
            total += loss.item()
        nn.utils.clip_grad_norm_(list(self._trainable.values()), self._config.max_gradient_norm)
        self._optimizer.step()
        self._rate.step()
        return total

    def _judge(self) -> None:
        """The dev loss at an epoch's end; the weights are kept if it is the lowest so far."""
        dev, standing = self._dev, self.standing
        limit = self._config.batch_tokens
        standing.dev_losses.append(mean_answer_loss(self._backbone, self._replay, dev.rows, dev.activations, limit))
        if standing.best_epoch == len(standing.dev_losses) - 1:
            self._best = {name: p.detach().clone() for name, p in self._trainable.items()}

    def _state(self) -> dict[str, Any]:
        return {
            "standing": asdict(self.standing),
            "weights": {name: p.detach() for name, p in self._trainable.items()},
            "best": self._best,
            "optimizer": self._optimizer.state_dict(),
            "rate": self._rate.state_dict(),
            "random": torch.get_rng_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a saved state; the batches still to come are those that `Schedule` draws again."""
        self.standing, self._best = _Standing(**state["standing"]), state["best"]
        self._load_weights(state["weights"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._rate.load_state_dict(state["rate"])
        torch.set_rng_state(state["random"])

    @torch.no_grad()
    def _load_weights(self, weights: dict[str, Tensor]) -> None:
        for name, parameter in self._trainable.items():
            parameter.copy_(weights[name])


def made_with(
    backbone: Backbone, rows: Sequence[EncodedRow], dev_rows: Sequence[EncodedRow], config: TrainerConfig
) -> dict[str, str]:
    """All that the weights depend on, by the names that a refused checkpoint is explained with."""
    hashes = {"rows": rows_hash(rows), "dev rows": rows_hash(dev_rows), "backbone": backbone.hash}
    split = {"l_b": str(backbone.num_shared_layers), "dtype": str(backbone.model.dtype)}
    settings = {name.replace("_", " "): str(value) for name, value in asdict(config).items()}
    return settings | split | {name: value[:12] for name, value in hashes.items()}


def _with_activations(
    backbone: Backbone,
    sets: Sequence[Sequence[EncodedRow]],
    store: ActivationStore | None,
    on_progress: Callable[[Progress], None],
) -> list[_Set]:
    """Each set of rows with its activations, from the store if there is one."""
    total, done = sum(row.num_tokens for rows in sets for row in rows), 0

    def on_done(count: int) -> None:
        nonlocal done
        done += count
        on_progress(Progress("caching", done, total))

    compute = store.activations if store else boundary_activations
    return [_Set(rows, compute(backbone, rows, on_done) if rows else []) for rows in sets]


def _trainable_layers(backbone: Backbone, low_rank: LowRank | None, seed: int) -> nn.ModuleList:
    if low_rank is not None:
        return low_rank_layers(backbone, low_rank, seed)
    return copy.deepcopy(backbone.layers[backbone.num_shared_layers :]).float().requires_grad_(True)


def _full_tensors(backbone: Backbone, layers: nn.ModuleList) -> dict[str, Tensor]:
    upper = enumerate(layers, backbone.num_shared_layers)
    return {f"layers.{i}.{n}": t.to(backbone.model.dtype) for i, layer in upper for n, t in layer.state_dict().items()}
