"""Drawing a token: greedy, cut off by min-p, top-k and top-p, and the same draw for the same seed and position."""

from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers.generation.logits_process import (
    LogitsProcessorList,
    MinPLogitsWarper,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from experts.engine.sampler import probabilities, sample
from experts.sampling_params import SamplingParams

LOGITS = torch.log(torch.tensor([0.5, 0.3, 0.15, 0.05]))


def draws(params: SamplingParams, count: int = 400, index: int = 0) -> Counter[int]:
    return Counter(sample(LOGITS, params, position, index) for position in range(count))


def test_temperature_zero_is_greedy() -> None:
    assert draws(SamplingParams()) == {0: 400}


def test_a_temperature_too_low_to_divide_by_is_greedy() -> None:
    assert draws(SamplingParams(temperature=1e-45)) == {0: 400}


def test_draws_follow_the_probabilities() -> None:
    found = draws(SamplingParams(temperature=1.0, seed=1), 4000)
    assert all(abs(found[token] / 4000 - p) < 0.03 for token, p in enumerate([0.5, 0.3, 0.15, 0.05]))


def test_top_k_keeps_the_k_likeliest() -> None:
    assert set(draws(SamplingParams(temperature=1.0, top_k=2, seed=1))) == {0, 1}


def test_top_p_keeps_the_smallest_set_that_reaches_p() -> None:
    assert set(draws(SamplingParams(temperature=1.0, top_p=0.79, seed=1))) == {0, 1}
    assert set(draws(SamplingParams(temperature=1.0, top_p=0.81, seed=1))) == {0, 1, 2}
    assert set(draws(SamplingParams(temperature=1.0, top_p=0.01, seed=1))) == {0}


def test_min_p_keeps_what_is_at_least_that_part_of_the_likeliest() -> None:
    assert set(draws(SamplingParams(temperature=1.0, min_p=0.29, seed=1))) == {0, 1, 2}  # 0.15 of 0.5 is 0.3
    assert set(draws(SamplingParams(temperature=1.0, min_p=0.31, seed=1))) == {0, 1}
    assert set(draws(SamplingParams(temperature=1.0, min_p=1.0, seed=1))) == {0}


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
@pytest.mark.parametrize("limits", [{"min_p": 0.1}, {"top_k": 7}, {"top_p": 0.8}, {"min_p": 0.02, "top_k": 9}])
def test_probabilities_are_those_of_transformers(temperature: float, limits: dict[str, Any]) -> None:
    made = {"min_p": MinPLogitsWarper, "top_k": TopKLogitsWarper, "top_p": TopPLogitsWarper}
    warpers = LogitsProcessorList([made[name](value) for name, value in limits.items()])
    logits = 3 * torch.randn(200, generator=torch.Generator().manual_seed(5))

    ours = probabilities(logits, SamplingParams(temperature=temperature, **limits))

    none: Any = None
    theirs = warpers(none, TemperatureLogitsWarper(temperature)(none, logits[None]))
    torch.testing.assert_close(ours / ours.sum(), torch.softmax(theirs[0], dim=-1))


@given(
    st.lists(st.floats(-4, 4, width=16), min_size=1, max_size=8),
    st.floats(0.125, 1.0),
    st.integers(1, 8),
    st.floats(0.125, 1.0),
)
def test_min_p_comes_before_top_k_and_that_before_top_p(
    values: list[float], min_p: float, top_k: int, top_p: float
) -> None:
    """Each cuts what the one before has left: computed here token by token."""
    logits = torch.tensor([value + 1e-3 * i for i, value in enumerate(values)])  # without ties
    found = probabilities(logits, SamplingParams(temperature=1.0, min_p=min_p, top_k=top_k, top_p=top_p))

    p: dict[int, float] = dict(enumerate(torch.softmax(logits.double(), dim=-1).tolist()))
    highest = max(p.values())
    margins = [abs(value - min_p * highest) for value in p.values()]
    left = sorted((i for i in p if p[i] >= min_p * highest), key=lambda i: -p[i])[:top_k]
    total, before, kept = sum(p[i] for i in left), 0.0, set[int]()
    for i in left:
        margins.append(abs(before - top_p))
        if before < top_p:
            kept.add(i)
        before += p[i] / total

    if min(margins) > 1e-5:  # nothing is decided by rounding
        assert {i for i, value in enumerate(found.tolist()) if value > 0} == kept


def test_a_draw_depends_on_seed_position_and_index_only() -> None:
    params = SamplingParams(temperature=1.0, seed=3)
    alone = [sample(LOGITS, params, position) for position in range(50)]
    torch.manual_seed(99)
    again = [sample(LOGITS, params, position) for position in reversed(range(50))]
    other = [sample(LOGITS, params, position, index=1) for position in range(50)]

    assert alone == again[::-1] != other
    assert len(set(alone)) > 1
