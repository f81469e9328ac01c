"""How many events a second one worker brings into the trace of one run."""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from redis.asyncio import Redis

from graphs.events import StepFinished, StepResult, StepToken
from orchestrator.keys import Keys
from orchestrator.recorder import Recorder
from orchestrator.retention import TraceLimits
from orchestrator.run import Run, new_run_id
from orchestrator.run_store import RunStore
from orchestrator.trace_store import TraceStore

_NUM_STEPS = 8
"""That write at the same time."""


@dataclass(frozen=True, slots=True)
class EventThroughput:
    """Of one sitting."""

    tokens_per_second: float
    """Pieces of text that experts write; those of some milliseconds are one entry of the trace."""
    entries_per_second: float
    """Entries of that text."""
    results_per_second: float
    """Results of steps that end at the same time: each in the record and in the trace, acknowledged by the disk."""


async def event_throughput(redis: Redis, tenant: str, num_tokens: int, num_results: int) -> EventThroughput:
    """Measure on a Redis. Raises RuntimeError if the trace is not what was told."""
    runs = RunStore(redis, Keys(tenant), 3600, TraceLimits(max_entries=num_tokens + num_results))
    run_id, recorder = await _claimed(runs, tenant)
    began = time.perf_counter()
    await asyncio.gather(*(_write(recorder, step, num_tokens // _NUM_STEPS) for step in range(1, _NUM_STEPS + 1)))
    await recorder.close()
    text_seconds = time.perf_counter() - began
    events = [entry.event for entry in await TraceStore(redis, runs).read(run_id)]
    num_chars = sum(len(event.text) for event in events if isinstance(event, StepToken))
    if num_chars != num_tokens // _NUM_STEPS * _NUM_STEPS:
        raise RuntimeError(f"the trace has {num_chars} characters of {num_tokens}")

    run_id, recorder = await _claimed(runs, tenant)
    # failures: each is a write of its own, where a success waits for what comes with it
    results = [StepFinished(result=StepResult(id=k, status="error", error="48")) for k in range(1, num_results + 1)]
    began = time.perf_counter()
    await asyncio.gather(*(recorder.emit(result) for result in results))
    result_seconds = time.perf_counter() - began
    if (num_kept := len((await runs.get(run_id)).steps)) != num_results:
        raise RuntimeError(f"the record has {num_kept} results of {num_results}")
    return EventThroughput(
        tokens_per_second=num_chars / text_seconds,
        entries_per_second=len(events) / text_seconds,
        results_per_second=num_results / result_seconds,
    )


async def _claimed(runs: RunStore, tenant: str) -> tuple[str, Recorder]:
    run = Run(id=new_run_id(), tenant=tenant, task="events", created=datetime.now(UTC))
    await runs.create(run)
    claimed = await runs.claim(run.id, "bench")
    if claimed is None:
        raise RuntimeError(f"run {run.id} is gone")
    return run.id, Recorder(claimed)


async def _write(recorder: Recorder, step: int, num_tokens: int) -> None:
    """Text as experts write it: a character at a time, the loop free in between."""
    for _ in range(num_tokens):
        await recorder.emit(StepToken(step=step, text="x"))
        await asyncio.sleep(0)
