"""The calculator: an expression or a short program, computed exactly and checked against the step's numbers."""

import asyncio
import re
from collections.abc import Mapping
from fractions import Fraction
from itertools import permutations
from typing import Any

from graphs.errors import ToolError
from graphs.numbers import plain, written_numbers
from graphs.plan import REFERENCE
from graphs.protocols import Constraint, ToolResult
from graphs.tools.arithmetic import Computed, compute, format_number
from graphs.tools.invocation import text_arguments
from graphs.tools.operation_cues import needed_operations
from graphs.tools.quantities import Quantities, has_units

MAX_LINES = 6
NUMBER_WORDS = {
    **{"one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8"},
    **{"nine": "9", "ten": "10", "eleven": "11", "twelve": "12", "dozen": "12", "half": "2", "halve": "2"},
    **{"twice": "2", "double": "2", "triple": "3", "thrice": "3", "percent": "100", "per cent": "100", "%": "100"},
    **{"average": "2", "mean": "2", "squared": "2", "third": "3", "quarter": "4", "fifth": "5", "tenth": "10"},
}
_OPTIONAL_WORDS = frozenset("one percent % average mean squared third quarter fifth tenth".split()) | {"per cent"}
_IN_WORDS = re.compile(r"(?<![A-Za-z])(" + "|".join(NUMBER_WORDS) + r")(?![A-Za-z])", re.IGNORECASE)
_THE_TWO = re.compile(r"\b(?:the|these|those) (?:two|three|four|five|six|seven|eight|nine|ten)\b", re.IGNORECASE)
"""Says which results are meant, and is no number to compute with."""
_QUANTITY = re.compile(r"\bhow (?:many|much)\b", re.IGNORECASE)
_COUNTED = re.compile(r"\bhow many\b", re.IGNORECASE)
_IN_NAMES = re.compile(r"\b[A-Za-z]+\d+\w*")


class Calculator:
    """Computes what an expert wrote. Exact: fractions, no binary noise. With units only where it is called directly."""

    name = "calculator"
    description = "computes an arithmetic expression exactly, with units too"
    has_effects = False
    version = "2"  # another one when a call that was computed before has another result or other warnings
    arguments = text_arguments("expression", "such as (2.7 * 20) + 3, lines that assign names, 3 km / 20 min in km/h")
    max_seconds = 30.0  # the units are loaded with the first that is asked for

    def __init__(self) -> None:
        self._quantities = Quantities()

    def recognises(self, text: str) -> bool | None:
        """Whether the text asks how many or how much with two numbers or results; None for fewer, if there is one."""
        num_numbers = len(REFERENCE.findall(text)) + len(_required(REFERENCE.sub(" ", text)))
        if num_numbers > 1 and _QUANTITY.search(text):
            return True
        return None if num_numbers else False

    def context(self, step: str) -> str:
        """Nothing: the numbers are in the step."""
        return ""

    def constraint(self, step: str) -> Constraint:
        """A Lark grammar of expressions and programs over the step's numbers.

            24 * 12      (2.7 * 20) + 3      a1 = 48 / 2 ⏎ a2 = 48 + a1 ⏎ print(a2)

        Line k of a program assigns `a{k}` from numbers and earlier names. Two numbers whose operation the step's words
        call for are what it is done with.
        """
        numbers, needed = _allowed(step), needed_operations(step)
        if needed and len(numbers) == 2 and len(_required(step)) == 2:
            calls = [f"{a} {operation} {b}" for a, b in permutations(numbers) for operation in needed]
            return Constraint("choice", calls)
        return Constraint("lark", calculation_grammar(numbers))

    async def run(self, call: str, step: str) -> ToolResult:
        """The value of the call, with a warning for each number left out or made up, and for another operation.

        Raises ToolError.
        """
        computed = self._computed(call)
        allowed = {Fraction(number) for number in _allowed(step)}
        unused = [number for number in _required(step) if Fraction(number) not in computed.literals]
        invented = sorted(computed.literals - allowed)
        warnings = [f"{number} was not used" for number in unused]
        warnings += [f"{format_number(number)} is not in the step" for number in invented]
        if computed.value % 1 and _COUNTED.search(step):
            warnings.append("the step asks how many, and this is no whole number")
        if not _in_digits(step) and not _in_words(step):
            warnings.append("the step names no numbers")
        needed = needed_operations(step)
        is_missing = bool(needed) and not any(operation in call for operation in needed)
        doubts = (f"the step asks for {' or '.join(needed)}",) if is_missing else ()
        return ToolResult(format_number(computed.value), warnings=tuple(warnings), doubts=doubts)

    async def call(self, arguments: Mapping[str, Any]) -> ToolResult:
        """The value of the expression. Raises ToolError."""
        expression = str(arguments["expression"])
        if not has_units(expression):
            return ToolResult(format_number(self._computed(expression).value))
        try:
            return ToolResult(await asyncio.to_thread(self._quantities.compute, expression))
        except ValueError as error:
            raise self._error(expression, error) from error

    def _computed(self, program: str) -> Computed:
        try:
            return compute(program)
        except ValueError as error:
            raise self._error(program, error) from error

    def _error(self, program: str, error: ValueError) -> ToolError:
        reason = f"cannot compute {program!r}: {error}"
        return ToolError(self.name, reason, "state the numbers and what to do with them")


def calculation_grammar(numbers: tuple[str, ...]) -> str:
    """The Lark grammar of a calculation over these numbers."""
    literals = " | ".join(f'"{number}"' for number in numbers)
    lines = ["start: sum1 | line1", f"NUMBER: {literals}", "PLACES: /[0-6]/"]
    for k in range(1, MAX_LINES + 1):
        another = f" | line{k + 1}" if k < MAX_LINES else ""
        lines.append(f'line{k}: "a{k} = " sum{k} "\\n" ("print(a{k})"{another})')
        names = "".join(f' | "a{j}"' for j in range(1, k))
        lines += [
            f'sum{k}: product{k} ((" + " | " - ") product{k})*',
            f'product{k}: power{k} ((" * " | " / " | " // " | " % ") power{k})*',
            f'power{k}: atom{k} (" ** " atom{k})? | "-" atom{k}',
            f'atom{k}: NUMBER{names} | "(" sum{k} ")" | call{k}',
            f'call{k}: "round(" sum{k} (", " PLACES)? ")" | ("abs(" | "sqrt(") sum{k} ")"'
            f' | ("min(" | "max(") sum{k} (", " sum{k})+ ")"',
        ]
    return "\n".join(lines)


def _in_digits(step: str) -> tuple[str, ...]:
    """The step's numbers without signs and separators; `Q3` and `a1` are names."""
    return tuple(dict.fromkeys(plain(number) for number in written_numbers(_IN_NAMES.sub(" ", step))))


def _in_words(step: str) -> list[str]:
    return [word.lower() for word in _IN_WORDS.findall(_THE_TWO.sub(" ", step))]


def _allowed(step: str) -> tuple[str, ...]:
    words = (NUMBER_WORDS[word] for word in _in_words(step))
    return tuple(dict.fromkeys((*_in_digits(step), *words))) or ("0",)


def _required(step: str) -> tuple[str, ...]:
    words = (NUMBER_WORDS[word] for word in _in_words(step) if word not in _OPTIONAL_WORDS)
    return tuple(dict.fromkeys((*_in_digits(step), *words)))
