"""What can go wrong between a task and its answer.

GraphError
├── TaskError            the task is empty, too long or no text
├── InvalidPlan          a plan breaks the rules; every fault is named
├── InvalidWorkflow      a workflow breaks the rules; every fault is named, with its file, line and step
├── InvalidInputs        a workflow's inputs do not fit its schema
├── ResultConflictError  a step's result was written twice, differently
├── DatabaseError        a configured database cannot be opened
├── RunStopped           the run ends early, with what is done
│   ├── BudgetExhausted  it has spent what it may spend
│   └── StepRequired     a step whose policy is to fail the run has failed
└── StepFailed           a step has no result; the steps that do not need it go on
    ├── GenerationError  an expert could not answer
    │   └── GrammarStopped   its grammar cannot be followed
    ├── RenderError      a workflow's template could not be filled in
    └── ToolError        a tool could not compute what the expert wrote
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from graphs.events import StepResult
from graphs.policies import ErrorKind
from graphs.workflows.fault import Fault

_SHOWN_CHARS = 80


class GraphError(Exception):
    """Base of all errors of `graphs`."""


class TaskError(GraphError):
    """The task cannot be taken on."""


class InvalidPlan(GraphError):
    """A plan breaks the rules."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("the plan is not valid: " + "; ".join(faults))
        self.faults = tuple(faults)


class InvalidWorkflow(GraphError):
    """A workflow breaks the rules."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("the workflow is not valid:\n" + "\n".join(map(str, faults)))
        self.faults = tuple(faults)


class InvalidInputs(GraphError):
    """A workflow's inputs do not fit its schema."""

    def __init__(self, workflow: str, faults: Sequence[str]) -> None:
        super().__init__(f"the inputs do not fit workflow {workflow!r}: {'; '.join(faults)}; correct them")
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


class RunStopped(GraphError):
    """The run ends early, with what is done."""

    def __init__(self, status: Literal["error", "timeout", "budget_exhausted"], reason: str) -> None:
        super().__init__(reason)
        self.status: Literal["error", "timeout", "budget_exhausted"] = status
        self.reason = reason


class BudgetExhausted(RunStopped):
    """A run has spent what it may spend."""

    def __init__(self, what: str, limit: float | None) -> None:
        super().__init__("budget_exhausted", f"the run's {limit:g} {what} are used up; allow it more")
        self.what = what
        self.limit = limit


class StepRequired(RunStopped):
    """A step whose policy is to fail the run has failed."""

    def __init__(self, result: StepResult) -> None:
        status = "timeout" if result.error_kind == "timeout" else "error"
        super().__init__(status, f"step {result.id} failed, and the run with it: {result.error}")
        self.result = result


class StepFailed(GraphError):
    """A step has no result."""

    kind: ClassVar[ErrorKind] = "step"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class GenerationError(StepFailed):
    """An expert could not answer. An ExpertClient raises it for every failure of its own."""

    kind = "generation"

    def __init__(self, expert: str, reason: str) -> None:
        super().__init__(f"expert {expert!r}: {reason}")
        self.expert = expert


class GrammarStopped(GenerationError):
    """An expert's grammar cannot be compiled, or became too complex for what it wrote."""


class RenderError(StepFailed):
    """A workflow's template could not be filled in."""

    def __init__(self, source: str, reason: str) -> None:
        shown = source if len(source) <= _SHOWN_CHARS else source[: _SHOWN_CHARS - 1] + "…"
        super().__init__(f"the template {shown!r}: {reason}; correct it, or give what it uses a default")
        self.source = source


class ToolError(StepFailed):
    """A tool could not compute what the expert wrote."""

    kind = "tool"

    def __init__(self, tool: str, reason: str, remedy: str, *, is_doubt: bool = False) -> None:
        super().__init__(f"{tool}: {reason}; {remedy}")
        self.tool = tool
        self.remedy = remedy
        self.is_doubt = is_doubt
        """Nothing was done, and another call may do better."""
