"""The calculator, as training and evaluation use it: the same as the tool's."""

from graphs.tools.arithmetic import compute, format_number


def calculate(program: str) -> str:
    """The value as the calculator prints it. Raises ValueError if it cannot be computed."""
    return format_number(compute(program).value)
