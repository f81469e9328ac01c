"""One description of an error, wherever it is shown."""

import pytest

from experts.errors import EngineClosed, UnknownExpert
from graphs.errors import InvalidPlan, TaskError
from orchestrator.errors import RedisUnavailableError, RunNotFoundError
from orchestrator.failure import failure_of, http_status_of


@pytest.mark.parametrize(
    ("error", "kind", "status"),
    [
        (RunNotFoundError("01a2"), "run_not_found", 404),
        (RedisUnavailableError("refused"), "redis_unavailable", 503),
        (TaskError("the task is empty"), "task", 422),
        (InvalidPlan(["step 1 is empty"]), "invalid_plan", 422),
        (UnknownExpert("botany", ("math",)), "unknown_expert", 404),
        (EngineClosed("the engine has stopped"), "engine_closed", 409),
        (ZeroDivisionError("division by zero"), "internal_error", 500),
    ],
)
def test_type_and_status(error: Exception, kind: str, status: int) -> None:
    failure = failure_of(error)
    assert (failure.type, http_status_of(error)) == (kind, status)
    assert failure.message


def test_a_fault_of_the_program_is_named_with_its_class() -> None:
    assert failure_of(ZeroDivisionError("division by zero")).message == "ZeroDivisionError: division by zero"
