"""Fits a gate: logistic regression on mean activations, its temperature and threshold by cross-validation."""

import random
from collections.abc import Callable, Iterator, Sequence
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

    num_folds: int = 5
    penalties: tuple[float, ...] = (1e-3, 3e-3, 1e-2)
    """Of the squared weights; the one with the lowest held-out loss is taken."""
    max_taken: float = 0.03
    """Part of the held-out texts for `general` that domain experts may take, of the set of which they take most: half
    and less of what is aimed at, because questions of other sets are taken more often."""
    max_iterations: int = 100
    seed: int = 0


@dataclass(frozen=True, slots=True)
class FittedGate:
    """A classifier of all texts, and those of the folds, each with the indices of the texts that it has not seen."""

    classifier: Classifier
    folds: tuple[tuple[Classifier, list[int]], ...]


def fit_gate(means: Tensor, texts: Sequence[GateText], card: GateCard, config: GateFittingConfig) -> FittedGate:
    """Logistic regression over the card's experts and `general`.

    Every row is held out once, with all its texts; what is then said of it chooses the penalty, the temperature and the
    threshold. The weights are those of all rows.
    """
    classes = [*(one.name for one in card.experts), GENERAL]
    labels, features = torch.tensor([classes.index(one.expert) for one in texts]), means.double()
    held_out = _folds(texts, config)

    def weights_of_folds(penalty: float) -> list[Tensor]:
        return [_regression(features[~out], labels[~out], penalty, config) for out in held_out]

    tries = {penalty: weights_of_folds(penalty) for penalty in config.penalties}
    unseen = {penalty: _unseen_logits(features, held_out, of_folds) for penalty, of_folds in tries.items()}
    penalty = min(unseen, key=lambda one: _loss(unseen[one], labels))
    logits = unseen[penalty]
    temperature = _temperature(logits, labels, config)
    training = {
        "num_texts": len(texts),
        "num_folds": config.num_folds,
        "penalty": penalty,
        "held_out_loss": round(_loss(logits / temperature, labels), 4),
        "max_taken": config.max_taken,
        "seed": config.seed,
    }
    probabilities = torch.softmax(logits / temperature, dim=-1)
    threshold = max(_threshold(probabilities[chosen], config) for chosen in _general_sets(texts))
    calibrated = card.model_copy(update={"temperature": temperature, "threshold": threshold, "training": training})

    def classifier(weights: Tensor) -> Classifier:
        rows: list[NDArray[np.float32]] = [row.numpy() for row in weights.float()]
        return Classifier(calibrated, dict(zip(classes, rows, strict=True)))

    folds = [(classifier(one), _indices(out)) for one, out in zip(tries[penalty], held_out, strict=True)]
    return FittedGate(classifier(_regression(features, labels, penalty, config)), tuple(folds))


def _folds(texts: Sequence[GateText], config: GateFittingConfig) -> list[Tensor]:
    """For each fold which texts are held out, `[num_texts]`: all texts of a row, or none."""
    rows = sorted(own_rows(texts))
    random.Random(f"folds-{config.seed}").shuffle(rows)
    fold_of = {row: index % config.num_folds for index, row in enumerate(rows)}
    folds = torch.tensor([fold_of[one.dataset, one.row_id] for one in texts])
    return [folds == fold for fold in range(config.num_folds)]


def _unseen_logits(features: Tensor, held_out: list[Tensor], of_folds: list[Tensor]) -> Tensor:
    """What each fold's weights say of the texts that it has not seen, `[num_texts, num_classes]`."""
    logits = features.new_empty(len(features), len(of_folds[0]))
    for weights, out in zip(of_folds, held_out, strict=True):
        logits[out] = _logits(weights, features[out])
    return logits


def _indices(chosen: Tensor) -> list[int]:
    return chosen.nonzero().flatten().tolist()


def _loss(logits: Tensor, labels: Tensor) -> float:
    return float(nn.functional.cross_entropy(logits, labels))


def _logits(weights: Tensor, features: Tensor) -> Tensor:
    return features @ weights[:, :-1].T + weights[:, -1]


def _regression(means: Tensor, labels: Tensor, penalty: float, config: GateFittingConfig) -> Tensor:
    """Multinomial logistic regression by L-BFGS on standardised features, every class of equal weight.

    Returns the weights of the means as they are, `[num_classes, hidden + 1]`, the bias last.
    """
    center, scale = means.mean(dim=0), means.std(dim=0).clamp_min(1e-6)
    features = ((means - center) / scale).float()  # twice as fast as double, which only the folding needs
    counts = torch.bincount(labels)
    class_weights = (len(labels) / (len(counts) * counts)).to(features.dtype)
    weights = torch.zeros(len(counts), features.shape[1] + 1, dtype=features.dtype, requires_grad=True)

    def loss() -> Tensor:
        of_labels = nn.functional.cross_entropy(_logits(weights, features), labels, class_weights)
        return of_labels + penalty * weights[:, :-1].square().sum() / 2

    _minimize(weights, loss, config)
    found = weights.detach().double()
    own = found[:, :-1] / scale
    stored = torch.cat([own, (found[:, -1] - own @ center)[:, None]], dim=1).float()
    return stored.double()  # what follows is fitted to the weights as they are stored


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


def _general_sets(texts: Sequence[GateText]) -> Iterator[list[int]]:
    """The texts for `general` of each set, by their indices."""
    for name in sorted({one.dataset for one in texts if one.expert == GENERAL}):
        yield [i for i, one in enumerate(texts) if (one.dataset, one.expert) == (name, GENERAL)]


def _threshold(others: Tensor, config: GateFittingConfig) -> float:
    """The lowest score under which no more than `max_taken` of these texts for `general` come to a domain expert.

    `others`: their probabilities, `[num_texts, num_classes]`, `general` last.
    """
    best, chosen = others.max(dim=1)
    taken = torch.where(chosen == others.shape[1] - 1, 0.0, best).sort(descending=True).values
    allowed = int(config.max_taken * len(taken))
    return float(taken[allowed]) + 1e-6 if allowed < len(taken) else 0.0
