"""Requests that are for `general`: of every kind, filled, and never comparing a thing with itself."""

import random
from typing import get_args

import pytest

from experts.training.synthesis.everyday import Kind, general_text


@pytest.mark.parametrize("kind", get_args(Kind))
def test_requests_are_filled_and_various(kind: Kind) -> None:
    rng = random.Random(0)
    texts = [general_text(kind, rng) for _ in range(300)]
    assert not [text for text in texts if "{" in text]
    assert len(set(texts)) > 150


def test_nothing_is_compared_with_itself() -> None:
    rng = random.Random(1)
    planets = [text for text in (general_text("world", rng) for _ in range(2000)) if "fit into" in text]
    assert planets
    for text in planets:
        one, other = text.removeprefix("How many times would ").removesuffix("?").split(" fit into ")
        assert one != other
