"""The calculator may use the step's numbers, must use them all, and may not invent any."""

import pytest

from graphs.errors import ToolError
from graphs.protocols import Constraint
from graphs.tools.calculator import Calculator
from tests.graphs.grammar_proof import accepts

CALCULATOR = Calculator()
STEP = "Add 3 to 2.7 times 20, of 1,250 and half."


@pytest.mark.parametrize(
    ("call", "is_allowed"),
    [
        ("(2.7 * 20) + 3", True),
        ("a1 = 20 / 2\na2 = 1250 + a1\nprint(a2)", True),
        ("round(20 / 3, 2)", True),
        ("max(2, 3, 20) ** 2 - -3", True),
        ("20 // 3 % 2.7", True),
        ("20 * 21", False),
        ("203", False),
        ("1,250", False),
        ("a1 = 20 / 2\na2 = 20 + a2\nprint(a2)", False),
        ("a1 = 20 / 2\nprint(a2)", False),
        ("20*3", False),
        ("", False),
    ],
)
def test_the_grammar_has_the_steps_numbers_only(call: str, is_allowed: bool) -> None:
    constraint = CALCULATOR.constraint(STEP)
    assert isinstance(constraint, Constraint) and constraint.kind == "lark"
    assert accepts(constraint.value, call) is is_allowed


@pytest.mark.parametrize(
    ("step", "call", "text", "warnings"),
    [
        ("Multiply 24 by 12.", "24 * 12", "288", ()),
        ("What is half of 48 more than 48?", "a1 = 48 / 2\na2 = 48 + a1\nprint(a2)", "72", ()),
        ("What is 15% of 1,200.50?", "1200.50 * 15 / 100", "180.075", ()),
        ("Three friends share a dozen.", "12 / 3", "4", ()),
        ("Add -5 to 3", "-5 + 3", "-2", ()),
        ("3, 1: What is the sum of the two?", "3 + 1", "4", ()),
        ("Sales of Q3 were 40, double them", "40 * 2", "80", ()),
        ("Multiply 24 by 12.", "24 * 2", "48", ("12 was not used", "2 is not in the step")),
        ("How many in 7 rows of 2?", "7 / 2", "3.5", ("the step asks how many, and this is no whole number",)),
        ("How many in 7 rows of 2?", "7 * 2", "14", ()),
        ("Multiply 24 by 12.", "24 * 12 * 7", "2016", ("7 is not in the step",)),
        ("Three friends share 12", "12 / 2", "6", ("3 was not used", "2 is not in the step")),
        ("Multiply 24 by 12.", "a1 = 24 * 12\na2 = 24\nprint(a2)", "24", ("12 was not used",)),
        (
            "Add #1 and #2",
            "2 * 100",
            "200",
            ("2 is not in the step", "100 is not in the step", "the step names no numbers"),
        ),
    ],
)
async def test_a_result_says_what_it_rests_on(step: str, call: str, text: str, warnings: tuple[str, ...]) -> None:
    result = await CALCULATOR.run(call, step)
    assert (result.text, result.warnings) == (text, warnings)


async def test_what_cannot_be_computed_is_an_error_with_a_remedy() -> None:
    with pytest.raises(ToolError, match="divides by zero") as caught:
        await CALCULATOR.run("24 / (2 - 2)", "24")
    assert caught.value.tool == "calculator" and caught.value.remedy


@pytest.mark.parametrize(
    ("text", "is_recognised"),
    [("Multiply 24 by 12.", None), ("#1, #2: Add both.", None), ("Double that.", None), ("Which clause is it?", False)],
)
def test_a_text_without_numbers_is_not_for_the_calculator(text: str, is_recognised: bool | None) -> None:
    assert Calculator().recognises(text) is is_recognised
