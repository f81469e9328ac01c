"""Exact arithmetic on programs of assignments, read by Python's own parser and bounded in every direction."""

import ast
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

Number = Fraction | float

MAX_CHARS = 1_000
MAX_LINES = 30
MAX_DEPTH = 40
MAX_BITS = 2_048
MAX_DECIMALS = 12
ROUNDED_DECIMALS = 6

_LITERAL = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Computed:
    """A value and the literals that it was computed from."""

    value: Number
    literals: frozenset[Fraction]


def compute(program: str) -> Computed:
    """The value of the last line, an expression or `print(expression)`; the lines before assign names.

    Raises ValueError with the reason for anything but bounded arithmetic.
    """
    source = program.strip()
    if len(source) > MAX_CHARS:
        raise ValueError(f"it is longer than {MAX_CHARS} characters")
    try:
        lines = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"it is not an arithmetic program ({error})") from error
    if not 1 <= len(lines) <= MAX_LINES:
        raise ValueError(f"it has {len(lines)} lines; 1 to {MAX_LINES} are allowed")
    evaluator = _Evaluator(source)
    try:
        for line in lines[:-1]:
            evaluator.assign(line)
        return evaluator.last(lines[-1])
    except ZeroDivisionError as error:
        raise ValueError("it divides by zero") from error
    except OverflowError as error:
        raise ValueError("a value is too large") from error


def format_number(value: Number) -> str:
    """Integers and short decimals exactly, the rest rounded to 6 decimals (6 significant digits below 1)."""
    exact = Fraction(value)
    decimals = _exact_decimals(exact) if isinstance(value, Fraction) else None
    if decimals is None:
        # leading zeros do not count: 0.000001234567 keeps its digits too
        leading_zeros = max(0, len(str(exact.denominator)) - len(str(abs(exact.numerator))))
        decimals = ROUNDED_DECIMALS + leading_zeros
    scaled = round(exact * 10**decimals)
    digits = str(abs(scaled)).rjust(decimals + 1, "0")
    whole, fraction = digits[: len(digits) - decimals], digits[len(digits) - decimals :].rstrip("0")
    return f"{'-' if scaled < 0 else ''}{whole}{'.' if fraction else ''}{fraction}"


def _exact_decimals(value: Fraction) -> int | None:
    """How many decimals write the value exactly; None if more than MAX_DECIMALS."""
    return next((n for n in range(MAX_DECIMALS + 1) if 10**n % value.denominator == 0), None)


class _Evaluator:
    def __init__(self, source: str) -> None:
        self._source = source
        self._names: dict[str, Computed] = {}

    def assign(self, line: ast.stmt) -> None:
        match line:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                self._names[name] = self._compute(value, 0)
            case _:
                raise ValueError(f"{self._text(line)!r} is not an assignment")

    def last(self, line: ast.stmt) -> Computed:
        match line:
            case ast.Expr(value=ast.Call(func=ast.Name(id="print"), args=[value], keywords=[])) | ast.Expr(value=value):
                return self._compute(value, 0)
            case _:
                raise ValueError(f"the last line {self._text(line)!r} has no value; end with print(...)")

    def _compute(self, node: ast.expr, depth: int) -> Computed:
        if depth > MAX_DEPTH:
            raise ValueError(f"it is nested deeper than {MAX_DEPTH}")
        match node:
            case ast.Constant():
                return self._literal(node)
            case ast.Name(id=name) if name in self._names:
                return self._names[name]
            case ast.Name(id=name):
                raise ValueError(f"{name!r} has no value yet")
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                computed = self._compute(operand, depth + 1)
                return Computed(-computed.value, computed.literals)
            case ast.BinOp(left=left, op=operation, right=right):
                return self._binary(operation, self._compute(left, depth + 1), self._compute(right, depth + 1))
            case ast.Call(func=ast.Name(id=function), args=arguments, keywords=[]) if arguments:
                return self._call(function, [self._compute(argument, depth + 1) for argument in arguments])
            case _:
                raise ValueError(f"{self._text(node)!r} is not arithmetic")

    def _literal(self, node: ast.Constant) -> Computed:
        # read from the source: a float has lost digits, and `1e999999` would fill the memory
        text = self._text(node)
        if not _LITERAL.fullmatch(text):
            raise ValueError(f"{text!r} is not a plain decimal number")
        value = Fraction(text)
        return Computed(value, frozenset({value}))

    def _binary(self, operation: ast.operator, left: Computed, right: Computed) -> Computed:
        literals = left.literals | right.literals
        return Computed(_bounded(_combined(operation, left.value, right.value)), literals)

    def _call(self, function: str, arguments: Sequence[Computed]) -> Computed:
        values = [argument.value for argument in arguments]
        literals = frozenset[Fraction]().union(*(argument.literals for argument in arguments))
        match function, values:
            case "round", [value]:
                return Computed(Fraction(round(value)), literals)
            case "round", [value, places] if places in range(MAX_DECIMALS + 1):
                return Computed(Fraction(round(Fraction(value), int(places))), arguments[0].literals)
            case "abs", [value]:
                return Computed(abs(value), literals)
            case "sqrt", [value]:
                return Computed(_root(value), literals)
            case (("min" | "max"), _):
                return Computed(min(values) if function == "min" else max(values), literals)
            case _:
                raise ValueError(f"{function}() with {len(values)} arguments is not a function of the calculator")

    def _text(self, node: ast.AST) -> str:
        return ast.get_source_segment(self._source, node) or ""


def _combined(operation: ast.operator, left: Number, right: Number) -> Number:
    match operation:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
        case ast.Div():
            return left / right
        case ast.FloorDiv():
            return left // right
        case ast.Mod():
            return left % right
        case ast.Pow():
            return _power(left, right)
        case _:
            raise ValueError(f"operator {type(operation).__name__} is not arithmetic")


def _power(base: Number, exponent: Number) -> Number:
    if exponent == Fraction(1, 2):
        return _root(base)
    if isinstance(base, Fraction) and isinstance(exponent, Fraction) and exponent.denominator == 1:
        # refused before it is computed: afterwards is too late
        size = max(abs(base.numerator), base.denominator).bit_length()
        if size * abs(exponent.numerator) > MAX_BITS:
            raise ValueError("a power is too large")
        return base**exponent.numerator
    if base < 0:
        raise ValueError("a negative number has no broken power")
    return float(base) ** float(exponent)


def _root(value: Number) -> Number:
    if value < 0:
        raise ValueError("a negative number has no square root")
    if isinstance(value, Fraction):
        root = Fraction(math.isqrt(value.numerator), math.isqrt(value.denominator))
        if root * root == value:
            return root
    return math.sqrt(value)


def _bounded(value: Number) -> Number:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("a value is too large")
        return value
    exact = Fraction(value)
    if max(abs(exact.numerator), exact.denominator).bit_length() > MAX_BITS:
        raise ValueError("a value has too many digits")
    return exact
