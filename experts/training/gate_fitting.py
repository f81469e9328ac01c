"""Fits a gate: logistic regression on mean activations; held-out rows choose its temperature and its threshold."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from experts.gating.classifier import GENERAL, Classifier, GateCard
from experts.training.gate_texts import GateText, own_rows


@dataclass(frozen=True, slots=True)
class GateFittingConfig:
    """How a gate is fitted."""

    held_out: float = 0.2
    """Part of the rows that only choose the regularisation, the temperature and the threshold."""
    penalties: tuple[float, ...] = (1e-4, 1e-3, 3e-3, 1e-2, 3e-2)
    """Of the squared weights; the one with the lowest held-out loss is taken."""
    max_taken: float = 0.02
    """Part of the held-out texts for `general` that domain experts may take: half and less of what is aimed at, because
    questions of other sets are taken more often."""
    max_iterations: int = 200
    seed: int = 0


@dataclass(frozen=True, slots=True)
class FittedGate:
    """A classifier with temperature and threshold in its card, and the indices of the texts that chose them."""

    classifier: Classifier
    held_out: list[int]


def fit_gate(means: Tensor, texts: Sequence[GateText], card: GateCard, config: GateFittingConfig) -> FittedGate:
    """Logistic regression over the card's experts and `general`.

    Four fifths of the rows give the weights; the others choose the penalty, then the temperature, then the threshold.
    """
    classes = [*(one.name for one in card.experts), GENERAL]
    labels = torch.tensor([classes.index(one.expert) for one in texts])
    is_held_out = _held_out(texts, config)
    train, wanted = means[~is_held_out].double(), labels[~is_held_out]
    test, tested = means[is_held_out].double(), labels[is_held_out]
    tries = [_regression(train, wanted, penalty, config) for penalty in config.penalties]
    losses = [float(nn.functional.cross_entropy(_logits(one, test), tested)) for one in tries]
    best = min(range(len(tries)), key=losses.__getitem__)
    logits = _logits(tries[best], test)
    temperature = _temperature(logits, tested, config)
    threshold = _threshold(torch.softmax(logits / temperature, dim=-1), tested, config)
    training = {
        "num_texts": len(wanted),
        "num_held_out": len(tested),
        "penalty": config.penalties[best],
        "held_out_loss": round(float(nn.functional.cross_entropy(logits / temperature, tested)), 4),
        "max_taken": config.max_taken,
        "seed": config.seed,
    }
    calibrated = card.model_copy(update={"temperature": temperature, "threshold": threshold, "training": training})
    rows: list[NDArray[np.float32]] = [row.numpy() for row in tries[best].float()]
    classifier = Classifier(calibrated, dict(zip(classes, rows, strict=True)))
    return FittedGate(classifier, is_held_out.nonzero().flatten().tolist())


def _held_out(texts: Sequence[GateText], config: GateFittingConfig) -> Tensor:
    """Which texts are held out, `[num_texts]`: all texts of a row, or none."""
    rows = sorted(own_rows(texts))
    drawn = set(random.Random(f"held-out-{config.seed}").sample(rows, round(config.held_out * len(rows))))
    return torch.tensor([(one.dataset, one.row_id) in drawn for one in texts])


def _logits(weights: Tensor, features: Tensor) -> Tensor:
    return features @ weights[:, :-1].T + weights[:, -1]


def _regression(means: Tensor, labels: Tensor, penalty: float, config: GateFittingConfig) -> Tensor:
    """Multinomial logistic regression by L-BFGS on standardised features, every class of equal weight.

    Returns the weights of the means as they are, `[num_classes, hidden + 1]`, the bias last.
    """
    center, scale = means.mean(dim=0), means.std(dim=0).clamp_min(1e-6)
    features = (means - center) / scale
    counts = torch.bincount(labels)
    class_weights = (len(labels) / (len(counts) * counts)).to(features.dtype)
    weights = torch.zeros(len(counts), features.shape[1] + 1, dtype=features.dtype, requires_grad=True)

    def loss() -> Tensor:
        of_labels = nn.functional.cross_entropy(_logits(weights, features), labels, class_weights)
        return of_labels + penalty * weights[:, :-1].square().sum() / 2

    _minimize(weights, loss, config)
    found = weights.detach()
    own = found[:, :-1] / scale
    return torch.cat([own, (found[:, -1] - own @ center)[:, None]], dim=1)


def _minimize(variable: Tensor, loss: Callable[[], Tensor], config: GateFittingConfig) -> None:
    optimizer = torch.optim.LBFGS([variable], max_iter=config.max_iterations, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    optimizer.step(closure)  # pyright: ignore[reportArgumentType]


def _temperature(logits: Tensor, labels: Tensor, config: GateFittingConfig) -> float:
    """What logits are divided by for the lowest held-out loss (Guo et al. 2017, arXiv 1706.04599)."""
    log_temperature = torch.zeros((), dtype=logits.dtype, requires_grad=True)
    _minimize(log_temperature, lambda: nn.functional.cross_entropy(logits / log_temperature.exp(), labels), config)
    return float(log_temperature.detach().exp())


def _threshold(probabilities: Tensor, labels: Tensor, config: GateFittingConfig) -> float:
    """The lowest score under which no more than `max_taken` of the texts for `general` come to a domain expert."""
    general = probabilities.shape[1] - 1
    others = probabilities[labels == general]
    best, chosen = others.max(dim=1)
    taken = torch.where(chosen == general, 0.0, best).sort(descending=True).values
    allowed = int(config.max_taken * len(taken))
    return float(taken[allowed]) + 1e-6 if allowed < len(taken) else 0.0
