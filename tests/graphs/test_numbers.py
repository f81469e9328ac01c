"""Numbers are compared as they are written."""

import pytest

from graphs.numbers import foreign_numbers, plain, written_numbers


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("Multiply #1 by 12.", ("12",)),
        ("1,250.75 and 12, 13", ("1,250.75", "12", "13")),
        ("at -5 degrees, 3-4 days", ("-5", "3", "4")),
        ("12, then 12 again", ("12",)),
        ("none", ()),
        ("1,2345", ("1", "2345")),
    ],
)
def test_numbers_are_found_once_each_in_order(text: str, numbers: tuple[str, ...]) -> None:
    assert written_numbers(text) == numbers


def test_a_number_is_foreign_unless_it_is_written_just_so() -> None:
    assert foreign_numbers("12 of 120 at 5", ["120 and 12", "-5"]) == ("5",)
    assert plain("-1,250.75") == "1250.75"
