"""Numbers with units, exactly; what is no such thing is refused before it is computed."""

import time

import pytest

from graphs.errors import ToolError
from graphs.tools.calculator import Calculator
from graphs.tools.invocation import invoke
from graphs.tools.quantities import Quantities, has_units

UNITS = Quantities()


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("3 km / 20 min in km/h", "9 km/h"),
        ("5 ft + 3 inch to cm", "160.02 cm"),
        ("2.5 kg * 9.81 m/s**2 in N", "24.525 N"),
        ("20 degC in degF", "68 °F"),
        ("1 mile in km", "1.609344 km"),
        ("60 mph * 2.5 hours in miles", "150 mi"),
        ("(3 m + 20 cm)^2 in m**2", "10.24 m**2"),
        ("100 m", "100 m"),
        ("5 ft + 3 in to cm", "160.02 cm"),
        ("6 km / 2 km", "3"),
    ],
)
def test_units_are_carried_along(expression: str, value: str) -> None:
    assert UNITS.compute(expression) == value


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("3 km in kg", "Cannot convert"),
        ("3 km + 2 kg", "Cannot convert"),
        ("5 apples", "apples"),
        ("3 km / 0 s", "zero|Fraction"),
        ("9**9**9**9 m", "powers of one digit"),
        ("9 ** 99 m", "powers of one digit"),
        ("__import__('os') 1 m", "no arithmetic"),
        ("1 m; 2 m", "no arithmetic"),
        ("1 m " * 100, "longer than 200"),
        ("2 m.__class__", "class|attribute|defined"),
    ],
)
def test_what_is_no_quantity_is_refused_at_once(expression: str, reason: str) -> None:
    assert UNITS.compute("1 m") == "1 m"  # the units are loaded
    started = time.perf_counter()
    with pytest.raises(ValueError, match=reason):
        UNITS.compute(expression)
    assert time.perf_counter() - started < 2


def test_programs_of_the_math_expert_have_no_units() -> None:
    for program in ("24 * 12", "a1 = 48 / 2\na2 = 48 + a1\nprint(a2)", "round(2.5, 1)", "7 % 3", "max(3, 4)"):
        assert not has_units(program)


async def test_the_calculator_takes_both() -> None:
    assert (await invoke(Calculator(), {"expression": "3 km / 20 min in km/h"})).text == "9 km/h"
    assert (await invoke(Calculator(), {"expression": "a1 = 48 / 2\nprint(a1 + 1)"})).text == "25"
    with pytest.raises(ToolError, match="cannot compute '3 km in kg'"):
        await invoke(Calculator(), {"expression": "3 km in kg"})
