"""What the planner cannot write: an invented number, a forward reference, an empty text."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphs.grammar import CLOSING, OPENING, TEXT_END, json_body, next_step, quotable, step_grammar
from graphs.numbers import written_numbers
from graphs.plan import REFERENCE
from tests.graphs.grammar_proof import accepts

TASK = 'How many books did "Omar Haddad" borrow? Multiply by 1,250.75, see ticket #4.\nÉté at -5 degrees, .4 or ٣.'


def first(text: str) -> bool:
    return accepts(step_grammar(TASK, 1), json_body(text) + TEXT_END)


def third(text: str) -> bool:
    return accepts(step_grammar(TASK, 3), next_step(3) + json_body(text) + TEXT_END)


@pytest.mark.parametrize(
    "text",
    [
        'How many books did "Omar Haddad" borrow?',
        "Multiply by 1,250.75",
        "books and ticket No. 4",
        "Multiply by 1,250.75, see ticket No. 4.\nÉté",
        "-5, times 1,250.75.",
    ],
)
def test_a_text_is_copied_from_the_task_and_joined(text: str) -> None:
    assert first(text)


INVENTED = ["Multiply by 13", "Multiply by 1,250", "Multiply by 250.75", "No. 4,1,250.75", "No. 4.-5", "Omar Hadda"]
FORWARD = ["Multiply #3", "Add #12", "Add #11,250.75", "Add #0", "Add #1.4", "Add ٣ #1٣", "#4 books"]


@pytest.mark.parametrize("text", ["", "Divide", "Find books", " books", "ticket #4", "Add #1", *INVENTED])
def test_a_text_cannot_be_empty_or_invented(text: str) -> None:
    assert not first(text)


@pytest.mark.parametrize(
    "text",
    [
        "Multiply #1 by #2",
        "#2 and #1 times 1,250.75",
        "#1: Multiply by -5.",
        "#1, #2: borrow? Multiply",
        "#1 #2",
        "#1. #2, and",
    ],
)
def test_a_later_step_refers_to_earlier_ones(text: str) -> None:
    assert third(text)


@pytest.mark.parametrize(
    "text", ["Multiply #3", "Add #12", "Add #11,250.75", "Add #0", "Add #1.4", "Add ٣ #1٣", "#4 books", ""]
)
def test_a_reference_cannot_point_forward(text: str) -> None:
    assert not third(text)


def test_a_name_keeps_its_number() -> None:
    grammar = step_grammar("What does the Comet 300 cost, and what the Ridge 700?", 1)
    assert accepts(grammar, "What does the Comet 300 cost" + TEXT_END)
    assert not accepts(grammar, "What does the Comet" + TEXT_END)


def test_a_plan_can_be_closed_from_the_second_step_on() -> None:
    assert accepts(step_grammar(TASK, 2), CLOSING)
    assert not accepts(step_grammar(TASK, 1), CLOSING)
    assert not accepts(step_grammar(TASK, 2), "]")


def test_the_pieces_make_compact_json() -> None:
    written = (
        OPENING + json_body("How many?") + TEXT_END + 'sql"' + next_step(2) + "Add #1" + TEXT_END + 'math"' + CLOSING
    )
    assert json.loads(written) == [
        {"id": 1, "text": "How many?", "expert": "sql"},
        {"id": 2, "text": "Add #1", "expert": "math"},
    ]


@settings(max_examples=40, deadline=None)
@given(st.text(min_size=1, max_size=60).filter(lambda text: text.strip()), st.data())
def test_any_task_can_be_copied_whole(task: str, data: Any) -> None:
    step = data.draw(st.integers(1, 12))
    beginning = next_step(step) if step > 1 else ""
    assert accepts(step_grammar(task, step), beginning + json_body(quotable(task)) + TEXT_END)


FRAGMENTS = ["#1", "#2", "#", "4", "5", "-5", ".", ",", " ", "1,250.75", ".4", "Add", " and", "books", "-", "\n", "٣"]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=6).map("".join))
def test_whatever_is_allowed_has_only_the_tasks_numbers_and_earlier_references(text: str) -> None:
    if third(text):
        assert set(written_numbers(text)) <= set(written_numbers(quotable(TASK)))
        assert {int(k) for k in REFERENCE.findall(text)} <= {1, 2}


EARLIER = ("What does the Quest 300 cost?", "It costs 2474 pounds.")


@pytest.mark.parametrize("text", ["2474 times 1,250.75", "Quest 300", "2474 pounds. books", "Multiply by 2474"])
def test_a_text_is_copied_from_earlier_turns_too(text: str) -> None:
    assert accepts(step_grammar(TASK, 1, EARLIER), json_body(text) + TEXT_END)
    assert not first(text)


@pytest.mark.parametrize(
    "text", ["cost?It costs", "cost? It costs", "cost?\x1eIt costs", "2475 times", "247", "Quest 30"]
)
def test_no_text_runs_from_one_into_another(text: str) -> None:
    assert not accepts(step_grammar(TASK, 1, EARLIER), text + TEXT_END)


def test_a_number_keeps_its_unit_but_not_a_word_of_another_script() -> None:
    task = "How much is 10kg and 85로?"
    assert accepts(step_grammar(task, 1), "10kg" + TEXT_END)
    assert not accepts(step_grammar(task, 1), "10" + TEXT_END)
    assert accepts(step_grammar(task, 1), "85" + TEXT_END)


def test_a_text_without_any_space_can_be_copied() -> None:
    """As one chunk its grammar would be too complex to be used."""
    task = f"Decode {'x' * 3_000} and {'7' * 1_000}"
    assert accepts(step_grammar(task, 1), task + TEXT_END)
