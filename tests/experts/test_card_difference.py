"""What differs between two cards."""

from experts.backbone import Backbone
from experts.card import ExpertCard, LowRank, Metric, TrainingData
from experts.card_difference import FieldDifference, card_differences
from tests.experts.conftest import make_card


def metric(value: float) -> Metric:
    return Metric(
        dataset="cuad", metric="label", num_rows=40, value=value, general=0.5, difference_low=0, difference_high=1
    )


def changed(card: ExpertCard, **fields: object) -> ExpertCard:
    return card.model_copy(update=fields)


def test_cards_that_differ_in_their_version_only_do_not_differ(backbone: Backbone) -> None:
    card = make_card(backbone, "law", metrics=(metric(0.8),))
    assert card_differences(card, changed(card, version="another")) == []


def test_every_field_that_differs_is_named_with_both_values(backbone: Backbone) -> None:
    card = make_card(backbone, "law", training={"epochs": 4}, metrics=(metric(0.8),))
    other = changed(
        card,
        form="low_rank",
        low_rank=LowRank(rank=16, alpha=32),
        suffix="Label:",
        tool="sql",
        backbone_hash="0123456789abcdef",
        training_data=(TrainingData(name="cuad", source="CUAD", licence="CC BY 4.0", row_ids=("a", "b")),),
        training={"epochs": 5},
        metrics=(metric(0.9),),
    )
    assert card_differences(card, other) == [
        FieldDifference("backbone", card.backbone_hash[:12], "0123456789ab"),
        FieldDifference("form", "full", "low_rank"),
        FieldDifference("suffix", "", "Label:"),
        FieldDifference("tool", "", "sql"),
        FieldDifference("training epochs", "4", "5"),
        FieldDifference("metric cuad label", "0.800 (general 0.500, 40 rows)", "0.900 (general 0.500, 40 rows)"),
        FieldDifference("rank", "", "16"),
        FieldDifference("alpha", "", "32"),
        FieldDifference("data cuad", "", "CUAD, CC BY 4.0, 2 rows"),
    ]
