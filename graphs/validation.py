"""Plans from outside: everything wrong with one is named at once."""

from collections.abc import Collection
from typing import Any, cast

from pydantic import ValidationError

from graphs.errors import InvalidPlan
from graphs.person import PERSON
from graphs.plan import MAX_GIVEN_STEPS, Plan, Step


def parse_plan(raw: object, known_experts: Collection[str]) -> Plan:
    """A Plan from decoded JSON: a list of steps, or an object with `steps`.

    `depends_on` given by hand is united with the `#k` of the text. Raises InvalidPlan naming each fault.
    """
    items = _items(raw)
    faults: list[str] = []
    if not 1 <= len(items) <= MAX_GIVEN_STEPS:
        faults.append(f"it has {len(items)} steps; write 1 to {MAX_GIVEN_STEPS}")
    steps: list[Step] = []
    for position, item in enumerate(items, start=1):
        try:
            steps.append(Step.model_validate(item))
        except ValidationError as error:
            faults += [f"step at position {position}: {_fault(details)}" for details in error.errors()]
    if len(steps) == len(items):
        faults += _numbering(steps)
    faults += unknown_experts(steps, known_experts)
    if faults:
        raise InvalidPlan(faults)
    return Plan(steps=tuple(steps))


def unknown_experts(steps: Collection[Step], known_experts: Collection[str]) -> list[str]:
    """A fault for each step whose expert cannot be asked."""
    known = ", ".join(sorted(known_experts))
    return [
        f"step {step.id} names unknown expert {expert!r}; known: {known}"
        for step in steps
        for expert in step.experts
        if expert not in known_experts and step.expert != PERSON
    ]


def _items(raw: object) -> list[object]:
    if isinstance(raw, dict):
        fields = cast("dict[str, object]", raw)
        if unknown := sorted(set(fields) - {"steps"}):
            raise InvalidPlan([f"unknown field {name!r}; a plan has only 'steps'" for name in unknown])
        raw = fields.get("steps")
    if not isinstance(raw, list):
        raise InvalidPlan([f"it is {type(raw).__name__}; write a list of steps, or an object with a list 'steps'"])
    return cast("list[object]", raw)


def _numbering(steps: list[Step]) -> list[str]:
    ids = [step.id for step in steps]
    if ids == list(range(1, len(ids) + 1)):
        return []
    repeated = sorted({k for k in ids if ids.count(k) > 1})
    found = f"ids {repeated} are used twice" if repeated else f"step ids are {ids}"
    return [f"{found}; number them 1 to {len(ids)} in order, each once"]


def _fault(details: Any) -> str:
    field = ".".join(str(part) for part in details["loc"])
    message = str(details["msg"]).removeprefix("Value error, ")
    return f"{field}: {message}" if field else message
