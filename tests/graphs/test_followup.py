"""A follow-up that computes with the last result has it put in; everything else stays as it was asked."""

import pytest

from graphs.followup import resolved
from graphs.turn import Turn

TURNS = [
    Turn(task="How many?", answer="It is 7.", result="7"),
    Turn(task="24 * 12?", answer="It is 288.", result="288"),
]


@pytest.mark.parametrize(
    ("task", "meant"),
    [
        ("Multiply that by 3", "Multiply 288 by 3"),
        ("Then subtract 8 from it.", "Subtract 8 from 288."),
        ("Double it", "Double 288"),
        ("What is that divided by 4?", "What is 288 divided by 4?"),
        ("now take 20 percent of the result", "Take 20 percent of 288"),
        ("Add that to 7.", "Add 288 to 7."),
        ("Divide the sum by 4 and add 2.", "Divide 288 by 4 and add 2."),
    ],
)
def test_an_order_of_arithmetic_over_the_last_result(task: str, meant: str) -> None:
    assert resolved(task, TURNS) == meant
    assert resolved(task, []) == task


@pytest.mark.parametrize(
    "task",
    [
        "thanks, that helps",
        "Is that right?",
        "What is it called?",
        "How much is that in euros?",
        "Add a comment to it that explains the loop",
        "Add 3 to what you like about it",
        "What is 24 times 12?",
    ],
)
def test_other_words_are_left_to_the_experts(task: str) -> None:
    assert resolved(task, TURNS) == task


@pytest.mark.parametrize("result", ["", "Paris", "288 bikes", "2 and 3"])
def test_only_a_number_is_put_in(result: str) -> None:
    assert resolved("Double it", [*TURNS, Turn(task="?", answer="!", result=result)]) == "Double it"
