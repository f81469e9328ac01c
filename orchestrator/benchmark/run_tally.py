"""What records and traces tell of runs that have ended: whether each step was executed exactly once."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from redis.asyncio import Redis

from graphs.events import StepStarted
from orchestrator.run import RunStatus
from orchestrator.run_store import RunStore
from orchestrator.trace_store import TraceStore


@dataclass(frozen=True, slots=True)
class RunTally:
    """Of some runs."""

    num_runs: int
    num_steps: int
    """Of their plans."""
    seconds: float
    """From the first run's start to the last one's end."""
    num_at_once: int
    """The most that were being executed at the same time."""
    num_successes: int
    num_claimed_again: int
    """Runs that more than one worker, or one of them twice, has taken."""
    num_done_again: int
    """Steps that were begun more than once."""
    num_left_out: int
    """Steps that were never begun."""

    @property
    def is_right(self) -> bool:
        """Whether every run succeeded and each step was executed exactly once."""
        return self.num_wrong == 0

    @property
    def num_wrong(self) -> int:
        """Of runs and steps together."""
        failed = self.num_runs - self.num_successes
        return failed + self.num_claimed_again + self.num_done_again + self.num_left_out

    @classmethod
    async def of(cls, redis: Redis, store: RunStore, run_ids: Sequence[str]) -> Self:
        """Raises RedisUnavailableError, RunNotFoundError."""
        ended, traces = [await store.get(run_id) for run_id in run_ids], TraceStore(redis, store)
        begun = Counter[tuple[str, int]]()
        for run in ended:
            events = [entry.event for entry in await traces.read(run.id)]
            begun.update((run.id, event.step) for event in events if isinstance(event, StepStarted))
        planned = [(run.id, step.id) for run in ended for step in (run.plan.steps if run.plan else ())]
        times = [(run.started, run.finished) for run in ended if run.started and run.finished]
        return cls(
            num_runs=len(ended),
            num_steps=len(planned),
            seconds=(max(end for _, end in times) - min(start for start, _ in times)).total_seconds(),
            num_at_once=_most_at_once(times),
            num_successes=sum(run.status is RunStatus.SUCCESS for run in ended),
            num_claimed_again=sum(run.fence > 1 for run in ended),
            num_done_again=sum(number - 1 for number in begun.values()),
            num_left_out=sum(step not in begun for step in planned),
        )


def _most_at_once(times: Iterable[tuple[datetime, datetime]]) -> int:
    changes = sorted((moment, change) for pair in times for moment, change in zip(pair, (1, -1), strict=True))
    running = most = 0
    for _, change in changes:
        running += change
        most = max(most, running)
    return most
