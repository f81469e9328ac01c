"""How an answer is scored against the wanted one: a number between 0 and 1 for each row."""

import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal

from experts.sandbox import passes

MetricName = Literal["exact_match", "label", "answer", "query_match", "execution", "tests", "step_f1"]
Calculate = Callable[[str], str]
"""The value of an expression or program as the calculator prints it; raises ValueError if it cannot be computed."""
Execute = Callable[[str], Sequence[Sequence[object]]]
"""The rows of a query; raises ValueError if it cannot be executed."""

_FENCE = re.compile(r"```(?:python)?\n(.*?)(?:```|$)", re.DOTALL)
_NUMBER = re.compile(r"-?\d[\d,]*\.?\d*")


def exact_match(answer: str, target: str) -> float:
    """The same text but for white space at the ends and quotes' kind."""
    return float(answer.strip().replace('"', "'") == target.strip().replace('"', "'"))


def query_match(answer: str, target: str) -> float:
    """The same query after normalising case, spaces, quotes and a closing semicolon."""
    return float(_normal_query(answer) == _normal_query(target))


def execution_match(answer: str, target: str, execute: Execute) -> float:
    """Both queries find the same rows, in any order; a query that cannot be executed finds none."""
    try:
        found = Counter(map(repr, execute(answer.strip())))
    except ValueError:
        return 0.0
    return float(found == Counter(map(repr, execute(target))))


def passes_tests(answer: str, target: str) -> float:
    """The program passes its tests, in a sandbox; a fence of Markdown around it is not part of it."""
    fenced = _FENCE.search(answer)
    return float(passes(f"{fenced[1] if fenced else answer}\n{target}"))


def last_number_match(answer: str, target: str) -> float:
    """The same number as the last one written: an answer without the calculator."""

    def no_calculator(_: str) -> str:
        raise ValueError

    return answer_match(answer, target, no_calculator)


def answer_match(answer: str, target: str, calculate: Calculate) -> float:
    """The same number: what the calculator makes of the answer, or else the last number in it."""
    try:
        value = calculate(answer.strip())
    except ValueError:
        numbers = _NUMBER.findall(answer)
        value = numbers[-1] if numbers else ""
    try:
        found, wanted = float(value.replace(",", "")), float(target.replace(",", ""))
    except ValueError:
        return 0.0
    return float(abs(found - wanted) <= 1e-4 * max(1.0, abs(wanted)))


def bootstrap_difference(
    first: Sequence[float], second: Sequence[float], seed: int = 0, draws: int = 2000
) -> tuple[float, float]:
    """95 % interval of the mean of first - second over the same rows (paired bootstrap, percentiles)."""
    differences = [a - b for a, b in zip(first, second, strict=True)]
    rng, count = random.Random(seed), len(differences)
    means = sorted(sum(rng.choices(differences, k=count)) / count for _ in range(draws))
    return means[int(0.025 * draws)], means[int(0.975 * draws) - 1]


def _normal_query(query: str) -> str:
    text = query.strip().rstrip(";").replace('"', "'").lower()
    return re.sub(r"\s*([(),=<>])\s*", r"\1", re.sub(r"\s+", " ", text))
