"""How plans are scored."""

import pytest

from experts.training.plan_metrics import edge_f1, step_f1, step_texts, token_f1, valid_plan
from experts.training.rows import plan_segments


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


TARGET = ("Who wrote the book?", "When was #1 born?", "Where was #1 born?")


@pytest.mark.parametrize(
    ("texts", "score"),
    [
        (TARGET, 1.0),
        ((TARGET[0], TARGET[2], TARGET[1]), 1.0),  # another order is the same graph
        (TARGET[:2], 2 / 3),
        ((TARGET[0], "When was #1 born?", "Where was #2 born?"), 0.5),
        (TARGET[:1], 0.0),
        (("When was #1 born?",), 0.0),
        ((), 0.0),
    ],
)
def test_edges_count_between_matched_steps(texts: tuple[str, ...], score: float) -> None:
    assert edge_f1(plan(*texts) if texts else "", plan(*TARGET)) == pytest.approx(score)


def test_plans_without_edges_agree_if_there_is_a_plan() -> None:
    assert edge_f1(plan("Who?"), plan("When?")) == 1.0
    assert edge_f1("", plan("When?")) == 0.0


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        (plan(*TARGET), 1.0),
        (plan("When was #1 born?"), 0.0),
        (plan("Who?", "When was #3 born?", "Where?"), 0.0),
        (plan("Who?", " "), 0.0),
        ("", 0.0),
    ],
)
def test_a_valid_plan_refers_to_earlier_steps_only(answer: str, score: float) -> None:
    assert valid_plan(answer, "") == score
