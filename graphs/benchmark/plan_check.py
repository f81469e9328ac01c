"""Is a stored plan valid? Asked of its JSON alone, and written without the planner's code, which it checks."""

import json
import math
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

_FIELDS = frozenset(
    (
        "id",
        "text",
        "expert",
        "depends_on",
        "scores",
        "planner_scores",
        "gate_scores",
        "policy",
        "round",
        "question",
        "name",
        "choices",
    )
)
_JOINTS = frozenset("and or by from to with of in for than plus minus times divided no".split())
_MAX_STEPS = 12
_MAX_WORD = 64
"""Of a word with more letters, a part may be quoted."""
_MAX_CHARS = 20_000


def plan_faults(document: str, task: str, experts: Collection[str]) -> list[str]:
    """Everything wrong with a plan as JSON that a planner wrote for the task; empty if it is valid.

    `experts` may be named. Words are those of the task or joints: a step asks nothing that the task does not say.
    """
    steps = json.loads(document)["steps"]
    if not 1 <= len(steps) <= _MAX_STEPS:
        return [f"{len(steps)} steps"]
    # `#4` of a task is no reference: a step quotes it as `No. 4`
    words = {*_words(task), *_words(re.sub(r"#(?=\d)", "No. ", task))}
    return [fault for number, step in enumerate(steps, 1) for fault in _step_faults(number, step, words, experts)]


def _step_faults(number: int, step: Mapping[str, Any], words: set[str], experts: Collection[str]) -> list[str]:
    text = str(step["text"])
    references = {int(digits) for digits in re.findall(r"#(\d+)", text)}
    faults = {
        f"unknown fields {sorted(set(step) - _FIELDS)}": not set(step) <= _FIELDS,
        f"id {step['id']}": step["id"] != number,
        "no text": not text.strip() or not isinstance(step["text"], str),
        "text too long": len(text) > _MAX_CHARS,
        "not Unicode": any("\ud800" <= char <= "\udfff" for char in text),
        f"unknown expert {step['expert']!r}": step["expert"] not in experts,
        f"refers to {sorted(references)}": not all(1 <= k < number for k in references),
        f"depends on {step['depends_on']}": list(step["depends_on"]) != sorted(references),
        "has a policy": step["policy"] is not None,
        "has what only people write": any(step.get(field) for field in ("question", "name", "choices")),
        f"round {step['round']}": step["round"] != 1,
        "scores are no shares of the experts": bool(step["scores"]) and not _are_shares(step["scores"], experts),
    }
    endless = [word for word in words if len(word) > _MAX_WORD]
    foreign = (word for word in _words(re.sub(r"#\d+", " ", text)) if word not in words | _JOINTS)
    invented = [word for word in foreign if not any(word in one for one in endless)]
    found = [fault for fault, is_there in faults.items() if is_there]
    return [f"step {number}: {fault}" for fault in (*found, *(f"invents {word!r}" for word in invented))]


def _are_shares(scores: Mapping[str, float], experts: Collection[str]) -> bool:
    return set(scores) == set(experts) and math.isclose(sum(scores.values()), 1, abs_tol=1e-6)


def _words(text: str) -> Sequence[str]:
    """A number is a word of its own where another script is written right behind it: `85` of `85로`."""
    return re.findall(r"\d+(?=[^\W\da-z_])|\w+", text.casefold())
