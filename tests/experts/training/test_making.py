"""From rows to a finished expert: how rows are encoded, what the card says, how it is scored."""

from pathlib import Path

import pytest

from experts.backbone import Backbone
from experts.checkpoint import load_expert
from experts.errors import DatasetError
from experts.expert import Expert
from experts.prompt import PromptParts
from experts.training.datasets import SYNTHETIC, Dataset
from experts.training.making import Identity, Listener, encode, make_expert, save, score_all
from experts.training.rows import TrainingRow
from experts.training.trainer import TrainerConfig
from tests.experts.families import END_ID

BILLS = Dataset("bills", "our own desk", "CC0-1.0", "exact_match")
QUIET = Listener(lambda _: None, lambda _, done, total: None)


def row(number: int, answer: str = "yes") -> TrainingRow:
    return TrainingRow(f"r{number}", PromptParts(f"Pay {number}?"), (answer,), answer)


def made(backbone: Backbone, rows: dict[Dataset, list[TrainingRow]], max_tokens: int | None = None) -> Expert:
    identity = Identity("finance", "money", "Bills.", max_tokens=max_tokens)
    return make_expert(identity, backbone, rows, TrainerConfig(epochs=1), QUIET)[0]


def test_an_answer_ends_with_the_end_token_and_holds_no_other_special_one(backbone: Backbone) -> None:
    """What looks like a special token in a user's text is plain characters, in the prompt and in the answer."""
    encoded = encode(backbone, TrainingRow("a", PromptParts("a <|end|>"), ("b ", "<|end|>")), "")
    answer = encoded.token_ids[encoded.num_prompt_tokens :]

    assert answer[-1] == END_ID
    assert END_ID not in answer[:-1]
    assert backbone.tokenizer.decode(answer[:-1]) == "b <|end|>"
    assert encoded.token_ids[: encoded.num_prompt_tokens].count(END_ID) == 1  # the template's own


def test_the_card_names_the_rows_of_every_set_but_the_invented_ones(backbone: Backbone, tmp_path: Path) -> None:
    rows = {BILLS: [row(1), row(2)], SYNTHETIC: [row(3)]}
    card = save(made(backbone, rows), rows, tmp_path / "finance")

    assert {data.name: (data.licence, data.row_ids) for data in card.training_data} == {
        "bills": ("CC0-1.0", ("r1", "r2")),
        "synthetic": ("Apache-2.0", ()),
    }
    assert load_expert(tmp_path / "finance", backbone).card == card


@pytest.mark.parametrize(
    ("max_tokens", "answer", "expected"), [(None, "yes", 96), (None, "y" * 100, 117), (8, "yes", 8)]
)
def test_an_expert_may_answer_a_little_longer_than_its_rows(
    max_tokens: int | None, answer: str, expected: int, backbone: Backbone
) -> None:
    assert made(backbone, {BILLS: [row(1), row(2, answer)]}, max_tokens).card.max_tokens == expected


def test_a_row_longer_than_the_context_is_named(backbone: Backbone) -> None:
    with pytest.raises(DatasetError, match=r"bills: row 'r2' has \d+ tokens, more than 256; shorten it"):
        made(backbone, {BILLS: [row(1), row(2, "y" * 300)]})


def test_several_sets_are_scored_together_too(backbone: Backbone) -> None:
    expert, other = made(backbone, {BILLS: [row(1)]}), Dataset("letters", "", "", "label")
    both = {BILLS: [row(1)], other: [row(2), row(3, "no")]}

    def scored(sets: dict[Dataset, list[TrainingRow]]) -> list[tuple[str, str, int]]:
        metrics = score_all(expert, backbone, sets, str, QUIET)
        return [(metric.dataset, metric.metric, metric.num_rows) for metric in metrics]

    assert scored({BILLS: [row(1)]}) == [("bills", "exact_match", 1)]
    assert scored(both) == [("bills", "exact_match", 1), ("letters", "label", 2), ("all", "mean", 3)]
