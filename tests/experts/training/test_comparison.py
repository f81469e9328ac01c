"""Figures side by side, against plain computations."""

import math

import pytest

from experts.training.comparison import Measure, compared, loss, macro_f1, mean, perplexity


def test_the_loss_is_per_token_and_not_per_row() -> None:
    rows = [(6.0, 1), (0.0, 3)]

    assert loss(rows) == pytest.approx(1.5)
    assert perplexity(rows) == pytest.approx(math.exp(1.5))


def test_macro_f1_counts_every_label_alike() -> None:
    rows = [("yes", "yes")] * 8 + [("yes", "no")] * 2

    assert macro_f1(rows) == pytest.approx((16 / 18 + 0) / 2)
    assert macro_f1([("a", "a"), ("b", "b")]) == 1.0


def test_an_interval_holds_the_value_and_the_difference_is_paired() -> None:
    first = Measure("label", [1.0, 0.0] * 50, mean)
    second = Measure("label", [1.0, 0.0] * 40 + [1.0, 1.0] * 10, mean)

    one, other = compared([first, second])

    assert one.difference is None
    assert (one.value, other.value) == (0.5, 0.6)
    assert one.low < one.value < one.high
    assert other.difference is not None
    value, low, high = other.difference
    assert value == pytest.approx(0.1)
    assert 0 < low < value < high < 0.2, "rows differ in one direction only: paired, the interval is above 0"
    assert compared([first, second]) == [one, other]
