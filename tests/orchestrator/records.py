"""Records that tests make."""

from datetime import UTC, datetime
from typing import Any

from orchestrator.claimed_run import ClaimedRun
from orchestrator.run import Run, new_run_id
from orchestrator.run_store import RunStore


def a_run(task: str = "how many patients?", **fields: Any) -> Run:
    """A run that nobody executes."""
    now = datetime.now(UTC)
    return Run.model_validate({"id": new_run_id(now), "tenant": "default", "task": task, "created": now, **fields})


async def kept(runs: RunStore, run: Run) -> Run:
    """The run, in Redis."""
    await runs.create(run)
    await runs.keep(run.id)
    return run


async def claimed(runs: RunStore, run: Run, worker: str = "w1") -> ClaimedRun:
    """The run in the hands of a worker."""
    claim = await runs.claim(run.id, worker)
    assert claim is not None
    return claim
