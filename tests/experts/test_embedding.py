"""A text is the mean of what the backbone makes of its tokens."""

import numpy as np

from experts.backbone import Backbone
from experts.embedding import MAX_TOKENS, Embedder


def test_a_text_has_one_vector_whatever_stands_beside_it(backbone: Backbone) -> None:
    embed = Embedder(backbone).embed
    texts = ["oil the chain", "a much longer text about something else entirely", "", "x" * 2 * MAX_TOKENS]
    together = embed(texts)
    assert together.shape == (4, backbone.model.config.hidden_size)
    for text, vector in zip(texts, together, strict=True):
        np.testing.assert_allclose(embed([text])[0], vector, atol=1e-5)
    assert not np.allclose(together[0], together[1], atol=1e-3)


def test_the_same_words_are_nearer_than_others(backbone: Backbone) -> None:
    one, near, far = Embedder(backbone).embed(["oil the chain", "oil the chains", "MMXXVI -- 77?"])
    assert np.linalg.norm(one - near) < np.linalg.norm(one - far)
