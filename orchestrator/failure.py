"""One description of an error for the run's record, the HTTP body and the terminal."""

import re

from experts.errors import ExpertError, UnknownExpert
from graphs.errors import GraphError, InvalidInputs, InvalidPlan, InvalidWorkflow, TaskError
from orchestrator.errors import ServiceError
from orchestrator.run import RunError

KNOWN_ERRORS = (ServiceError, GraphError, ExpertError)
"""The roots of the three trees; anything else is a fault of the program."""


def failure_of(error: BaseException) -> RunError:
    """Type, message and remedy. The messages of graphs and experts carry their remedy themselves."""
    if isinstance(error, ServiceError):
        return RunError(type=error.type, message=error.message, remedy=error.remedy)
    kind = re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__.removesuffix("Error") or "Error").lower()
    if isinstance(error, InvalidPlan):
        return RunError(type=kind, message=str(error), remedy="correct the plan; `ccoe experts list` shows the experts")
    if isinstance(error, GraphError | ExpertError):
        return RunError(type=kind, message=str(error), remedy="")
    return RunError(type="internal_error", message=f"{type(error).__name__}: {error}", remedy="see the service's log")


def http_status_of(error: BaseException) -> int:
    """The HTTP status that fits an error."""
    if isinstance(error, ServiceError):
        return error.status
    if isinstance(error, TaskError | InvalidPlan | InvalidWorkflow | InvalidInputs):
        return 422
    if isinstance(error, UnknownExpert):
        return 404
    return 409 if isinstance(error, ExpertError) else 500
