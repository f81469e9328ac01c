"""A row's own text: what is left of its prompt without the words that all rows of its set have."""

import pytest

from experts.training.own_text import own_text


@pytest.mark.parametrize(
    ("dataset", "task", "text"),
    [
        ("nl2bash", "Write a bash command: list all files", "list all files"),
        ("cuad_clause_type", "Which type is it? Options: A, B.\nClause: It ends in May.", "It ends in May."),
        ("cuad_clause_type", "It ends in May.", "It ends in May."),
        ("mawps", "3 and 4?", "3 and 4?"),
    ],
)
def test_the_words_of_the_set_are_left_out(dataset: str, task: str, text: str) -> None:
    assert own_text(dataset, task) == text
