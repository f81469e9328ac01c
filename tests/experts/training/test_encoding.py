"""Rows as token ids: the answer's end, and rows that are too long, which are never cut."""

import pytest

from experts.backbone import Backbone
from experts.errors import DatasetError
from experts.prompt import PromptParts
from experts.training.datasets import Dataset
from experts.training.encoding import RowLimits, encode, encode_rows
from experts.training.rows import TrainingRow
from tests.experts.families import END_ID

BILLS, LETTERS = Dataset("bills", "", "", ""), Dataset("letters", "", "", "")


def row(number: int, answer: str = "yes") -> TrainingRow:
    return TrainingRow(f"r{number}", PromptParts(f"Pay {number}?"), (answer,), answer)


def test_an_answer_ends_with_the_end_token_and_holds_no_other_special_one(backbone: Backbone) -> None:
    """What looks like a special token in a user's text is plain characters, in the prompt and in the answer."""
    encoded = encode(backbone, TrainingRow("a", PromptParts("a <|end|>"), ("b ", "<|end|>")), "")
    answer = encoded.token_ids[encoded.num_prompt_tokens :]

    assert answer[-1] == END_ID
    assert END_ID not in answer[:-1]
    assert backbone.tokenizer.decode(answer[:-1]) == "b <|end|>"
    assert encoded.token_ids[: encoded.num_prompt_tokens].count(END_ID) == 1  # the template's own


ROWS = {BILLS: [row(1), row(2, "y" * 300), row(3)], LETTERS: [row(4, "z" * 90), row(5)]}


@pytest.mark.parametrize(
    ("max_tokens", "reason"),
    [
        (1024, r"bills: row 'r2' has \d+ tokens, more than 256; shorten it or leave it out \(--skip-long .*\)$"),
        (100, r"bills: row 'r2' has \d+ tokens, more than 100; .*; 2 rows are too long"),
    ],
)
def test_a_row_that_is_too_long_is_named(max_tokens: int, reason: str, backbone: Backbone) -> None:
    with pytest.raises(DatasetError, match=reason):
        encode_rows(backbone, ROWS, "", RowLimits(max_tokens))


def test_long_rows_are_left_out_on_demand_and_the_others_are_whole(backbone: Backbone) -> None:
    found = encode_rows(backbone, ROWS, "", RowLimits(100, skip_long=True))

    assert (found.num_skipped, found.max_tokens) == (2, 100)
    assert {of.name: [each.id for each in part] for of, part in found.rows.items()} == {
        "bills": ["r1", "r3"],
        "letters": ["r5"],
    }
    assert found.encoded == [encode(backbone, row(number), "") for number in (1, 3, 5)]


def test_no_row_left_is_an_error(backbone: Backbone) -> None:
    with pytest.raises(DatasetError, match="bills: every row has more than 10 tokens"):
        encode_rows(backbone, ROWS, "", RowLimits(10, skip_long=True))
