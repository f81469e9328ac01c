"""The tables of docs/experts.md say what the cards and recipes say; `python -m tests.figures` writes them anew."""

from experts.card import ExpertCard, Metric
from experts.gating.classifier import GateFigure
from tests.figures import DOCUMENT, blocks, figures_table, gate_table, tables, with_blocks

CARD = ExpertCard(
    name="law",
    domain="law",
    description="Contract clauses.",
    version="0123456789ab",
    backbone_hash="00",
    num_shared_layers=23,
    num_layers=30,
    form="full",
    metrics=(
        Metric(
            dataset="clauses",
            metric="label",
            num_rows=120,
            value=0.875,
            general=0.25,
            difference_low=0.5,
            difference_high=0.75,
            majority=0.125,
            majority_low=0.625,
            majority_high=0.875,
        ),
        Metric(
            dataset="all",
            metric="mean",
            num_rows=120,
            value=0.5,
            general=0.5,
            difference_low=-0.125,
            difference_high=0.125,
        ),
    ),
)


def test_the_document_has_the_tables_of_cards_and_recipes() -> None:
    wanted = tables()
    assert blocks(DOCUMENT.read_text(encoding="utf-8"), wanted) == wanted


def test_a_figure_stands_beside_the_general_one() -> None:
    clauses, together = figures_table([CARD]).splitlines()[2:]
    assert (
        clauses == "| `law` | `clauses` | label | 120 | 0.875 | 0.250 | +0.500 to +0.750 | 0.125 | +0.625 to +0.875 |"
    )
    assert together == "| `law` | all | mean | 120 | 0.500 | 0.500 | -0.125 to +0.125 |  |  |"


def test_a_figure_of_the_gate_says_where_the_others_came() -> None:
    figure = GateFigure(
        dataset="clauses",
        expert="law",
        form="text",
        num_rows=10,
        num_right=9,
        low=0.5958,
        high=0.9821,
        chosen={"law": 9, "general": 1},
    )
    row = gate_table([figure]).splitlines()[2]
    assert row == "| `law` | `clauses` |  | 10 | 0.900 | 0.596 to 0.982 | `general` 1 |"


def test_only_what_is_between_the_marks_is_replaced() -> None:
    text = "before\n<!-- figures -->\nold\n<!-- /figures -->\nbehind\n"
    replaced = with_blocks(text, {"figures": r"new \1"})
    assert replaced == "before\n<!-- figures -->\nnew \\1\n<!-- /figures -->\nbehind\n"
    assert blocks(replaced, ["figures", "recipes"]) == {"figures": r"new \1"}
