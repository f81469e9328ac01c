"""How answers are scored."""

import pytest

from experts.training.metrics import (
    answer_match,
    bootstrap_difference,
    exact_match,
    query_match,
    step_f1,
    step_texts,
    token_f1,
)
from experts.training.rows import plan_segments


def calculate(text: str) -> str:
    """Sums only."""
    return str(sum(float(part) for part in text.split(" + ")))


@pytest.mark.parametrize(
    ("answer", "target", "score"),
    [
        ("2 + 3", "5", 1.0),
        ("2 + 3", "6", 0.0),
        ("So the answer is 1,250 apples", "1250", 1.0),
        ("First 5, then 7", "5", 0.0),
        ("no number", "5", 0.0),
        ("2.50001", "2.5", 1.0),
    ],
)
def test_a_final_answer_is_computed_or_read(answer: str, target: str, score: float) -> None:
    assert answer_match(answer, target, calculate) == score


def test_queries_are_compared_after_normalising() -> None:
    assert query_match('select a  FROM t WHERE b="x";', "SELECT a FROM t WHERE b = 'x'") == 1.0
    assert query_match("SELECT a FROM t", "SELECT b FROM t") == 0.0


def test_code_is_compared_but_for_quotes_and_ends() -> None:
    assert exact_match(' x = "a"\n', "x = 'a'") == 1.0
    assert exact_match("x = 'A'", "x = 'a'") == 0.0


def plan(*texts: str) -> str:
    return "".join(plan_segments([(text, "general") for text in texts]))


def test_steps_are_matched_one_to_one() -> None:
    target = plan("Who wrote the book?", "When was #1 born?")
    assert step_f1(target, target) == 1.0
    assert step_f1(plan("Who wrote the book?"), target) == pytest.approx(2 / 3)
    assert step_f1(plan("Who wrote the book?", "Who wrote the book?"), target) == pytest.approx(0.5)
    assert step_f1(plan("Something else entirely"), target) == 0.0
    assert step_f1("", target) == 0.0


def test_a_list_in_prose_counts_as_steps_too() -> None:
    assert step_texts("1. Who wrote it?\n\n- When?") == ["Who wrote it?", "When?"]
    assert step_texts(plan('Say "x"')) == ['Say "x"']
    assert step_texts(r'{"text":"no \escape of JSON"') == [r"no \escape of JSON"]


def test_token_f1_counts_words_as_often_as_they_occur() -> None:
    assert token_f1("a a b", "a b") == pytest.approx(0.8)
    assert token_f1("a", "b") == 0.0


def test_the_bootstrap_interval_holds_the_difference() -> None:
    better, worse = [1.0] * 80 + [0.0] * 20, [1.0] * 20 + [0.0] * 80
    low, high = bootstrap_difference(better, worse)

    assert 0.4 < low < 0.6 < high < 0.8
    assert bootstrap_difference([1.0, 0.0] * 50, [0.0, 1.0] * 50)[0] < 0
    assert bootstrap_difference(better, worse) == (low, high)
