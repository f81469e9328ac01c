"""Which operation the words of a step call for; where they leave it open, none."""

import pytest

from graphs.tools.calculator import Calculator
from graphs.tools.operation_cues import needed_operations


@pytest.mark.parametrize(
    ("step", "operations"),
    [
        ("640: apples are sold in crates of 8 kilograms: how many crates are that?", "/"),
        ("A jar holds 250 grams and a spoon is 5 grams. How many spoons are in the jar?", "/"),
        ("1430 is loaded onto 11 carts, how heavy is the load of one cart?", "/"),
        ("He shares 21 pears among 3 friends. How many pears does each friend get?", "/"),
        ("Split 90 equally among 5.", "/*"),
        ("She had 40 and gave 12 away. How many are left?", "-/"),
        ("1993, 2015: How many years lie between the two?", "-/"),
        ("A tailor needs 4 hours for a coat; how many hours are 13 coats?", "*"),
        ("She gave 12 away and has 28 left. How many did she start with?", ""),
        ("A ticket is 4 crowns. How much are 5 tickets?", "*"),
        ("65: What do 8 covers bring in?", "*"),
        ("What does one ticket cost, if 4 tickets cost 20 crowns?", ""),
        ("Ann has 12 pears and Bo has 13. How many pears have they together?", "+"),
        ("Each of 12 jars has 13 pears. How many pears are there in all?", ""),
        ("What is 12 plus 13?", ""),
        ("Was sind 12 und 13 zusammen?", ""),
        ("Take the average of 3, 4 and 5.", ""),
    ],
)
def test_words_call_for_an_operation(step: str, operations: str) -> None:
    assert needed_operations(step) == operations


async def test_another_operation_is_doubted() -> None:
    step = "640: apples are sold in crates of 8 kilograms: how many crates are that?"
    assert (await Calculator().run("640 * 8", step)).doubts == ("the step asks for /",)
    assert (await Calculator().run("640 / 8", step)).doubts == ()
    assert (await Calculator().run("640 * 8", "What is 640 times 8?")).doubts == ()


def test_two_numbers_are_computed_as_the_words_call_for() -> None:
    calculator = Calculator()
    assert calculator.constraint("640: sold in bags of 8 kilograms: how many bags?").value == ["640 / 8", "8 / 640"]
    assert calculator.constraint("What is 640 times 8?").kind == "lark"
    assert calculator.constraint("Take half of 640: sold in bags of 8, how many bags?").kind == "lark"
