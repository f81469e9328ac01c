"""A gate learns what can be told apart, and its threshold what cannot."""

from dataclasses import replace

import pytest
import torch

from experts.gating.classifier import GENERAL, GateCard, GatedExpert
from experts.training.gate_fitting import FittedGate, GateFittingConfig, fit_gate
from experts.training.gate_texts import GateText

CARD = GateCard(
    backbone_hash="b" * 64,
    num_shared_layers=2,
    num_layers=4,
    experts=tuple(GatedExpert(name=name, domain=name, version="1") for name in ("law", "math")),
)
CONFIG = GateFittingConfig()
NAMES = ("law", "math", GENERAL)


def made_up(num_rows: int, spread: float) -> tuple[torch.Tensor, list[GateText]]:
    """Points around a corner for each expert, far from zero and of unlike scales; two texts of each row."""
    torch.manual_seed(0)
    texts = [GateText("made", f"{i // 2}", "text", f"{i}", NAMES[i // 2 % 3]) for i in range(2 * num_rows)]
    corners = torch.eye(3, 8)[[NAMES.index(one.expert) for one in texts]]
    means = (corners + spread * torch.randn(len(texts), 8)) * torch.logspace(-2, 2, 8) + 50
    return means, texts


def test_what_can_be_told_apart_is_learned() -> None:
    means, texts = made_up(300, spread=0.1)
    fitted = fit_gate(means, texts, CARD, CONFIG)

    found = [fitted.classifier.probabilities(mean) for mean in means.tolist()]
    assert all(max(one, key=one.__getitem__) == text.expert for one, text in zip(found, texts, strict=True))


def unseen(fitted: FittedGate, means: torch.Tensor) -> list[dict[str, float]]:
    """What each text gets from the fold that has not seen it, in the texts' order."""
    found = {i: one.probabilities(means[i].tolist()) for one, indices in fitted.folds for i in indices}
    return [found[i] for i in range(len(means))]


def test_every_text_is_held_out_once_with_all_texts_of_its_row() -> None:
    means, texts = made_up(200, spread=0.1)
    folds = [set(indices) for _, indices in fit_gate(means, texts, CARD, CONFIG).folds]
    assert [len(one) for one in folds] == [80] * 5
    assert set.union(*folds) == set(range(400))
    assert all((index ^ 1) in one for one in folds for index in one)


def test_the_threshold_bounds_what_is_taken_of_texts_for_general() -> None:
    means, texts = made_up(300, spread=0.8)
    general = [i for i, one in enumerate(texts) if one.expert == GENERAL]
    taken: dict[float, int] = {}
    for allowed in (0.5, 0.02):
        fitted = fit_gate(means, texts, CARD, replace(CONFIG, max_taken=allowed))
        found = unseen(fitted, means)
        best = [max(found[i].items(), key=lambda item: item[1]) for i in general]
        threshold = fitted.classifier.card.threshold
        taken[allowed] = sum(name != GENERAL and score >= threshold for name, score in best)
        assert taken[allowed] <= allowed * len(general)
    assert taken[0.5] > taken[0.02] > 0


def test_easy_texts_for_general_do_not_hide_a_set_of_which_much_is_taken() -> None:
    """The bound holds for each set: one of easy texts beside a hard one lowers no threshold."""
    means, texts = made_up(300, spread=0.8)
    easy = [GateText("easy", f"easy-{i}", "text", f"easy {i}", GENERAL) for i in range(400)]
    corner = torch.eye(3, 8)[2] * torch.logspace(-2, 2, 8) + 50
    both = fit_gate(torch.cat([means, corner.expand(400, 8)]), [*texts, *easy], CARD, CONFIG)

    found = [one for _, indices in both.folds for one in indices if one < len(texts)]
    scores = unseen(both, torch.cat([means, corner.expand(400, 8)]))
    hard = [scores[i] for i in found if texts[i].expert == GENERAL]
    best = [max(one.items(), key=lambda item: item[1]) for one in hard]
    taken = sum(name != GENERAL and score >= both.classifier.card.threshold for name, score in best)
    assert taken <= CONFIG.max_taken * len(hard)


def test_scores_are_as_sure_as_they_are_right() -> None:
    """The temperature's purpose: the mean highest score is the rate of right ones."""
    means, texts = made_up(300, spread=0.8)
    found = unseen(fit_gate(means, texts, CARD, CONFIG), means)
    right = [max(one, key=one.__getitem__) == text.expert for one, text in zip(found, texts, strict=True)]
    assert sum(max(one.values()) for one in found) / len(found) == pytest.approx(sum(right) / len(right), abs=0.05)


def test_the_same_seed_gives_the_same_gate() -> None:
    means, texts = made_up(100, spread=0.5)
    first, second = (fit_gate(means, texts, CARD, CONFIG) for _ in range(2))
    other = fit_gate(means, texts, CARD, replace(CONFIG, seed=1))
    assert first.classifier.card == second.classifier.card != other.classifier.card
    assert all((first.classifier.weights[name] == second.classifier.weights[name]).all() for name in NAMES)
