"""How a gate's figures are counted."""

import pytest

from experts.gating.classifier import GENERAL
from experts.gating.gate import Gate
from experts.training.gate_figures import combinations, set_figure, together, wilson
from experts.training.gate_texts import GateText
from tests.experts.gating.cards import make_card, make_classifier

GATE = Gate([make_card("general"), make_card("law", ["clause"]), make_card("math", ["sum"])], make_classifier(0.9))
SURE, DOUBTFUL, NOTHING = [5.0, 0.0], [2.0, 0.0], [0.0, 0.0]


def text(expert: str, words: str = "Some text", dataset: str = "set") -> GateText:
    return GateText(dataset, words, "text", words, expert)


def test_a_figure_counts_where_the_texts_of_a_set_came() -> None:
    figure = set_figure(GATE, [text("law")] * 4, [SURE, SURE, SURE, DOUBTFUL])
    assert (figure.num_rows, figure.num_right, figure.chosen) == (4, 3, {"law": 3, GENERAL: 1})
    assert (figure.low, figure.high) == pytest.approx((0.3006, 0.9544), abs=1e-4)


def test_sets_together_are_weighted_by_their_rows() -> None:
    figures = [set_figure(GATE, [text("law")] * 3, [SURE] * 3), set_figure(GATE, [text("math")], [SURE])]
    both = together(figures, "domains")
    assert (both.dataset, both.expert, both.num_rows, both.num_right) == ("all", "domains", 4, 3)
    assert both.chosen == {"law": 4}


@pytest.mark.parametrize(
    ("right", "rows", "low", "high"), [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (97, 100, 0.9155, 0.9897)]
)
def test_an_interval_of_wilson(right: int, rows: int, low: float, high: float) -> None:
    assert wilson(right, rows) == pytest.approx((low, high), abs=1e-4)


def test_each_way_to_use_rules_and_classifier_is_counted() -> None:
    texts = [text("law", "a clause"), text("law", "a text"), text("law", "the clause"), text(GENERAL, "sing a sum")]
    means = [SURE, SURE, DOUBTFUL, NOTHING]
    ways = {one.name: one for one in combinations([(GATE, texts[:1], means[:1]), (GATE, texts[1:], means[1:])])}
    found = {name: (one.num_right, one.num_domain, one.num_taken, one.num_general) for name, one in ways.items()}
    assert found == {
        "rules alone": (2, 3, 1, 1),
        "classifier alone": (2, 3, 0, 1),
        "rules first": (3, 3, 1, 1),
        "rules below the threshold": (3, 3, 0, 1),
    }
