"""Several experts' figures on the same rows, with bootstrap intervals."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

_DRAWS = 1000
_TAIL = 0.025


@dataclass(frozen=True, slots=True)
class Measure:
    """What was observed of each row, and what it comes to."""

    name: str
    observations: Sequence[Any]
    statistic: Callable[[Sequence[Any]], float]


@dataclass(frozen=True, slots=True)
class Figure:
    """A value with its 95 % interval; the same of its difference from the first expert, None for that one itself."""

    value: float
    low: float
    high: float
    difference: tuple[float, float, float] | None


def mean(scores: Sequence[float]) -> float:
    """Of a score for each row."""
    return sum(scores) / len(scores)


def loss(rows: Sequence[tuple[float, int]]) -> float:
    """Nats a token, of rows' sums and numbers of tokens."""
    return sum(total for total, _ in rows) / sum(number for _, number in rows)


def perplexity(rows: Sequence[tuple[float, int]]) -> float:
    """e to the power of the loss."""
    return math.exp(loss(rows))


def macro_f1(rows: Sequence[tuple[str, str]]) -> float:
    """Mean F1 of the labels that rows of (found, wanted) have."""
    labels = sorted({label for row in rows for label in row})

    def f1(label: str) -> float:
        right = sum(found == wanted == label for found, wanted in rows)
        return 2 * right / sum((found == label) + (wanted == label) for found, wanted in rows)

    return mean([f1(label) for label in labels])


def compared(measures: Sequence[Measure], seed: int = 0) -> list[Figure]:
    """One measure of several experts on the same rows; paired bootstrap with percentiles."""
    first, rng = measures[0], random.Random(seed)
    count = len(first.observations)
    draws = [[rng.randrange(count) for _ in range(count)] for _ in range(_DRAWS)]
    drawn = [[one.statistic([one.observations[i] for i in draw]) for draw in draws] for one in measures]
    values = [one.statistic(one.observations) for one in measures]
    figures = [Figure(values[0], *_interval(drawn[0]), None)]
    for value, own in zip(values[1:], drawn[1:], strict=True):
        low, high = _interval([a - b for a, b in zip(own, drawn[0], strict=True)])
        figures.append(Figure(value, *_interval(own), (value - values[0], low, high)))
    return figures


def _interval(values: Sequence[float]) -> tuple[float, float]:
    ordered = sorted(values)
    return ordered[int(_TAIL * len(ordered))], ordered[int((1 - _TAIL) * len(ordered)) - 1]
