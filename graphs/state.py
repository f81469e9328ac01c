"""The state of one run as LangGraph holds it."""

from collections.abc import Mapping
from typing import Annotated, TypedDict

from graphs.errors import ResultConflictError
from graphs.events import Answered, Planned, StepResult

Results = Mapping[int, StepResult]


def merge_results(left: Results, right: Results) -> dict[int, StepResult]:
    """Both sides' results by step id. Raises ResultConflictError if they differ on one."""
    for step, result in right.items():
        if left.get(step, result) != result:
            raise ResultConflictError(step)
    return {**left, **right}


class RunState(TypedDict):
    """Results by step id, written once each, and the answer when there is one."""

    results: Annotated[Results, merge_results]
    answer: Answered | None


STATE_CLASSES: tuple[type, ...] = (StepResult, Answered, Planned)
"""What the state holds besides plain data: the classes that a checkpoint may revive."""
