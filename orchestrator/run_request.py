"""What is asked of the service, over HTTP or by a schedule."""

from typing import Any

from pydantic import Field

from graphs.budget import Budget
from orchestrator.run import Mode, Scheduling
from orchestrator.webhook import Webhook


class RunRequest(Scheduling):
    """A task, a ready plan, a plan for a task, or a workflow; and when it is to be executed."""

    task: str | None = None
    plan: Any = None
    """A list of steps {id, text, expert}, or an object with `steps`."""
    workflow: Any = None
    """A definition, or the name of a registered one."""
    inputs: dict[str, Any] = Field(default_factory=dict[str, Any])
    """Of the workflow."""
    limits: Budget | None = None
    """What the run may spend."""
    mode: Mode = Mode.AUTO
    webhook: Webhook | None = None
    """Who is told when the run has ended, or waits for a person."""
