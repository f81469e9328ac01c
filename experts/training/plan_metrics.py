"""How a plan is scored against the wanted one: its steps, the edges between them, whether it could be run."""

import re
from collections import Counter

_STEP_TEXT = re.compile(r'"text":"((?:[^"\\]|\\.)*)"')
_LIST_MARK = re.compile(r"^\s*(?:\d+[.)]|[-*])\s*")
_REFERENCE = re.compile(r"#(\d+)")
_LEAST_F1 = 0.5
"""Of two steps' words, for the steps to be the same."""


def step_f1(answer: str, target: str) -> float:
    """F1 of the steps, matched one to one where their words' F1 is at least 0.5."""
    found, wanted = step_texts(answer), step_texts(target)
    return 2 * len(_matched(found, wanted)) / (len(found) + len(wanted)) if found else 0.0


def edge_f1(answer: str, target: str) -> float:
    """F1 of the dependencies, which are the same if both their steps are matched; 1 where neither plan has any."""
    found, wanted = step_texts(answer), step_texts(target)
    matched, edges = _matched(found, wanted), _edges(wanted)
    right = sum((matched.get(a), matched.get(b)) in edges for a, b in _edges(found))
    num_edges = len(_edges(found)) + len(edges)
    return 2 * right / num_edges if num_edges else float(bool(found))


def valid_plan(answer: str, _: str) -> float:
    """There are steps, none is empty, and each refers to earlier ones only."""
    texts = step_texts(answer)
    references = [(number, int(found)) for number, text in enumerate(texts, 1) for found in _REFERENCE.findall(text)]
    is_valid = bool(texts) and all(text.strip() for text in texts)
    return float(is_valid and all(1 <= earlier < number for number, earlier in references))


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


def _matched(found: list[str], wanted: list[str]) -> dict[int | None, int]:
    """The wanted step of each found one that has one, by index; the likest pairs first."""
    pairs = sorted((-token_f1(a, b), i, j) for i, a in enumerate(found) for j, b in enumerate(wanted))
    matched: dict[int | None, int] = {}
    for negative, i, j in pairs:
        if -negative >= _LEAST_F1 and i not in matched and j not in matched.values():
            matched[i] = j
    return matched


def _edges(texts: list[str]) -> set[tuple[int | None, int | None]]:
    """From the step that is referred to, to the one that refers, by index."""
    return {(int(number) - 1, index) for index, text in enumerate(texts) for number in _REFERENCE.findall(text)}
