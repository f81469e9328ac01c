"""A result is written once."""

from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import pytest
from pydantic import BaseModel

from graphs.errors import ResultConflictError
from graphs.events import StepResult
from graphs.rounds import RoundsState
from graphs.state import STATE_CLASSES, RunState, merge_results

ONE = {1: StepResult(id=1, status="success", result="2")}
TWO = {2: StepResult(id=2, status="success", result="24")}


def test_results_of_parallel_steps_are_united() -> None:
    assert merge_results(ONE, TWO) == {**ONE, **TWO}


def test_the_same_result_may_be_written_again() -> None:
    assert merge_results(ONE, ONE) == ONE


def test_another_result_of_the_same_step_is_an_error() -> None:
    with pytest.raises(ResultConflictError, match="step 1") as caught:
        merge_results(ONE, {1: StepResult(id=1, status="success", result="3")})
    assert caught.value.step == 1


def test_all_models_of_the_state_are_listed() -> None:
    """A checkpoint could not be read back with a class that is not in the list."""

    def models(annotation: Any) -> Iterator[type]:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield annotation
        for part in get_args(annotation):
            yield from models(part)

    annotations = [*get_type_hints(RunState).values(), *get_type_hints(RoundsState).values()]
    assert {model for annotation in annotations for model in models(annotation)} == set(STATE_CLASSES)
