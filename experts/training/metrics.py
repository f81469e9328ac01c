"""How an answer is scored against the wanted one: a number between 0 and 1 for each row."""

import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal

MetricName = Literal["exact_match", "label", "answer", "query_match", "step_f1"]
Calculate = Callable[[str], str]
"""The value of an expression or program as the calculator prints it; raises ValueError if it cannot be computed."""

_NUMBER = re.compile(r"-?\d[\d,]*\.?\d*")
_STEP_TEXT = re.compile(r'"text":"((?:[^"\\]|\\.)*)"')
_LIST_MARK = re.compile(r"^\s*(?:\d+[.)]|[-*])\s*")


def exact_match(answer: str, target: str) -> float:
    """The same text but for white space at the ends and quotes' kind."""
    return float(answer.strip().replace('"', "'") == target.strip().replace('"', "'"))


def query_match(answer: str, target: str) -> float:
    """The same query after normalising case, spaces, quotes and a closing semicolon."""
    return float(_normal_query(answer) == _normal_query(target))


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


def step_f1(answer: str, target: str) -> float:
    """F1 of the steps, matched one to one where their words' F1 is at least 0.5."""
    found, wanted = step_texts(answer), step_texts(target)
    pairs = sorted(((-token_f1(a, b), i, j) for i, a in enumerate(found) for j, b in enumerate(wanted)))
    used_found: set[int] = set()
    used_wanted: set[int] = set()
    for negative, i, j in pairs:
        if -negative >= 0.5 and i not in used_found and j not in used_wanted:
            used_found.add(i)
            used_wanted.add(j)
    return 2 * len(used_found) / (len(found) + len(wanted)) if found else 0.0


def token_f1(first: str, second: str) -> float:
    """F1 of two texts' words as multisets."""
    a, b = Counter(re.findall(r"#?\w+", first.lower())), Counter(re.findall(r"#?\w+", second.lower()))
    common = (a & b).total()
    return 2 * common / (a.total() + b.total()) if common else 0.0


def step_texts(answer: str) -> list[str]:
    """The steps of a plan as JSON; of any other text, its lines without list marks."""
    # nothing holds an expert that is being scored to valid JSON
    if texts := [re.sub(r'\\(["\\])', r"\1", text) for text in _STEP_TEXT.findall(answer)]:
        return texts
    return [line for raw in answer.splitlines() if (line := _LIST_MARK.sub("", raw).strip())]


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
