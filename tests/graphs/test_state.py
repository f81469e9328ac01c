"""A result is written once."""

import pytest

from graphs.errors import ResultConflictError
from graphs.events import StepResult
from graphs.state import merge_results

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
