"""Drawing a token: greedy, cut off by top-k and top-p, and the same draw for the same seed and position."""

from collections import Counter

import torch

from experts.engine.sampler import sample
from experts.sampling_params import SamplingParams

LOGITS = torch.log(torch.tensor([0.5, 0.3, 0.15, 0.05]))


def draws(params: SamplingParams, count: int = 400) -> Counter[int]:
    return Counter(sample(LOGITS, params, position) for position in range(count))


def test_temperature_zero_is_greedy() -> None:
    assert draws(SamplingParams()) == {0: 400}


def test_draws_follow_the_probabilities() -> None:
    found = draws(SamplingParams(temperature=1.0, seed=1), 4000)
    assert all(abs(found[token] / 4000 - p) < 0.03 for token, p in enumerate([0.5, 0.3, 0.15, 0.05]))


def test_top_k_keeps_the_k_likeliest() -> None:
    assert set(draws(SamplingParams(temperature=1.0, top_k=2, seed=1))) == {0, 1}


def test_top_p_keeps_the_smallest_set_that_reaches_p() -> None:
    assert set(draws(SamplingParams(temperature=1.0, top_p=0.79, seed=1))) == {0, 1}
    assert set(draws(SamplingParams(temperature=1.0, top_p=0.81, seed=1))) == {0, 1, 2}
    assert set(draws(SamplingParams(temperature=1.0, top_p=0.01, seed=1))) == {0}


def test_a_draw_depends_on_seed_and_position_only() -> None:
    params = SamplingParams(temperature=1.0, seed=3)
    alone = [sample(LOGITS, params, position) for position in range(50)]
    torch.manual_seed(99)
    again = [sample(LOGITS, params, position) for position in reversed(range(50))]

    assert alone == again[::-1]
    assert len(set(alone)) > 1
