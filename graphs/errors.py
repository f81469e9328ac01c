"""What can go wrong between a task and its answer.

GraphError
├── TaskError            the task is empty, too long or no text
├── InvalidPlan          a plan breaks the rules; every fault is named
├── ResultConflictError  a step's result was written twice, differently
├── DatabaseError        a configured database cannot be opened
└── StepFailed           a step has no result; the steps that do not need it go on
    ├── GenerationError  an expert could not answer
    └── ToolError        a tool could not compute what the expert wrote
"""

from collections.abc import Sequence
from pathlib import Path


class GraphError(Exception):
    """Base of all errors of `graphs`."""


class TaskError(GraphError):
    """The task cannot be taken on."""


class InvalidPlan(GraphError):
    """A plan breaks the rules."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("the plan is not valid: " + "; ".join(faults))
        self.faults = tuple(faults)


class ResultConflictError(GraphError):
    """A step's result was written twice, differently."""

    def __init__(self, step: int) -> None:
        super().__init__(f"step {step} already has another result; a result is written once")
        self.step = step


class DatabaseError(GraphError):
    """A configured database cannot be opened."""

    def __init__(self, path: Path | str, setting: str, reason: str) -> None:
        """A database that is no file is named by its URL without the password."""
        super().__init__(f"cannot read the database {str(path)!r} ({reason}); correct {setting}")
        self.path = path
        self.setting = setting
        self.reason = reason


class StepFailed(GraphError):
    """A step has no result."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class GenerationError(StepFailed):
    """An expert could not answer. An ExpertClient raises it for every failure of its own."""

    def __init__(self, expert: str, reason: str) -> None:
        super().__init__(f"expert {expert!r}: {reason}")
        self.expert = expert


class ToolError(StepFailed):
    """A tool could not compute what the expert wrote."""

    def __init__(self, tool: str, reason: str, remedy: str) -> None:
        super().__init__(f"{tool}: {reason}; {remedy}")
        self.tool = tool
        self.remedy = remedy
