"""An answer is right if it says all that it must, each as a whole."""

import pytest

from orchestrator.expected_answer import contains_all


@pytest.mark.parametrize(
    ("answer", "is_right"),
    [
        ("There are 12 boats, of Salt.", True),
        ("12: salt", True),
        ("There are 112 boats of salt", False),
        ("12.5 salt", False),
        ("12,000 salt", False),
        ("12 salty", False),
        ("12", False),
    ],
)
def test_every_text_stands_as_a_whole_in_any_case(answer: str, is_right: bool) -> None:
    assert contains_all(answer, ("12", "salt")) is is_right
