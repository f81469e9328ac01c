"""Records that tests make."""

from datetime import UTC, datetime

from orchestrator.run import Run, new_run_id


def a_run(task: str = "how many patients?", worker: str = "w1") -> Run:
    """A run that nobody executes."""
    now = datetime.now(UTC)
    return Run(id=new_run_id(now), tenant="default", task=task, worker=worker, created=now)
