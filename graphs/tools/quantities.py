"""Arithmetic with units through pint: exact where the units are, bounded in every direction."""

import re
from fractions import Fraction
from functools import cached_property
from importlib import import_module
from typing import Any

from graphs.tools.arithmetic import format_number

MAX_CHARS = 200
MAX_POWERS = 3
_NUMBER_WITH_UNIT = re.compile(r"\d[ \t]*[A-Za-zµμ°]")
_ALLOWED = re.compile(r"[\w .+\-*/()%°µμ]+")
_BOUND = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?) *([A-Za-zµμ°]\w*)(?! *\()")
"""`20 min` is one quantity, behind a division too."""
_POWER = re.compile(r"\*\*")
_SMALL_POWER = re.compile(r"\*\* *-?[1-9](?! *\*\*|[\d.])")
_TARGET = re.compile(r"(.*\S)\s+(?:in|to)\s+([A-Za-zµμ°].*)")
_FAULTS = (ArithmeticError, AssertionError, AttributeError, SyntaxError, TypeError, ValueError)
"""What pint's parser raises for a text that it cannot read, beside pint's own errors."""


def has_units(text: str) -> bool:
    """Whether a number with something like a unit stands in the text."""
    return _NUMBER_WITH_UNIT.search(text) is not None


class Quantities:
    """Computes one expression; the units are loaded when they are first needed."""

    def compute(self, text: str) -> str:
        """`3 km / 20 min in km/h` is `9 km/h`. Raises ValueError with the reason."""
        source = text.strip().replace("^", "**")
        if len(source) > MAX_CHARS:
            raise ValueError(f"it is longer than {MAX_CHARS} characters")
        powers = len(_POWER.findall(source))
        if not _ALLOWED.fullmatch(source) or powers > MAX_POWERS or powers != len(_SMALL_POWER.findall(source)):
            raise ValueError(f"it is no arithmetic with units, with at most {MAX_POWERS} powers of one digit")
        found = _TARGET.fullmatch(source)
        expression, target = found.groups() if found else (source, None)
        try:
            value: Any = self._units.parse_expression(_BOUND.sub(r"(\1 * \2)", expression))
            converted = value.to(target) if target else value
            return f"{format_number(converted.magnitude)} {self._unit(converted)}".strip()
        except (*_FAULTS, self._pint.PintError) as error:
            raise ValueError(" ".join(str(error).split()) or "it cannot be read") from error

    def _unit(self, value: Any) -> str:
        """`kg*m/s**2`; pint's own formats cannot write exponents that are fractions."""
        powers = [(self._units.get_symbol(name), Fraction(power)) for name, power in value.unit_items()]
        above = "*".join(symbol + _power(power) for symbol, power in powers if power > 0)
        below = "".join(f"/{symbol}{_power(-power)}" for symbol, power in powers if power < 0)
        return f"{above or '1'}{below}" if below else above

    @cached_property
    def _units(self) -> Any:
        return self._pint.UnitRegistry(non_int_type=Fraction, autoconvert_offset_to_baseunit=True)

    @cached_property
    def _pint(self) -> Any:
        return import_module("pint")


def _power(power: Fraction) -> str:
    if power == 1:
        return ""
    return f"**{power}" if power.denominator == 1 else f"**({power})"
