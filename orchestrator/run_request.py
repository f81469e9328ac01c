"""What is asked of the service, over HTTP or by a schedule."""

from typing import Any

from graphs.budget import Budget
from orchestrator.run import Mode, Scheduling
from orchestrator.webhook import Webhook


class RunRequest(Scheduling):
    """A task, a ready plan, or a plan for a task; and when it is to be executed."""

    task: str | None = None
    plan: Any = None
    """A list of steps {id, text, expert}, or an object with `steps`."""
    limits: Budget | None = None
    """What the run may spend."""
    mode: Mode = Mode.AUTO
    webhook: Webhook | None = None
    """Who is told when the run has ended, or waits for a person."""
