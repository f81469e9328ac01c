"""One queue of runs, served by one worker process and by two: steps a second, and each run exactly once."""

import asyncio
import multiprocessing
import signal
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.synchronize import Barrier

from redis.asyncio import Redis

from graphs.events import StepStarted
from graphs.plan import Plan, Step
from graphs.protocols import GENERAL
from orchestrator.benchmark.simulated_host import open_simulated
from orchestrator.keys import Keys
from orchestrator.run import Run, RunStatus, Scheduling, new_run_id
from orchestrator.run_queue import RunQueue
from orchestrator.run_store import RunStore
from orchestrator.service import Service
from orchestrator.settings import Settings
from orchestrator.trace_store import TraceStore

NUM_STEPS = 4
"""Of a run, one after another."""
STEP_SECONDS = 0.05
_START_SECONDS = 120


@dataclass(frozen=True, slots=True)
class QueueThroughput:
    """Of one queue."""

    num_workers: int
    num_runs: int
    steps_per_second: float
    """From the first run's start to the last one's end."""
    seconds: float
    num_successes: int
    num_claimed_again: int
    """Runs that more than one worker, or one of them twice, has taken."""
    num_done_again: int
    """Steps that were begun more than once."""

    @property
    def is_right(self) -> bool:
        """Whether each run was executed exactly once, and succeeded."""
        return self.num_successes == self.num_runs and not self.num_claimed_again + self.num_done_again


async def queue_throughput(redis: Redis, settings: Settings, num_workers: int, num_runs: int) -> QueueThroughput:
    """Put the runs into the queue of the settings' tenant, let the workers begin together, and count afterwards."""
    runs = RunStore(redis, Keys(settings.tenant), settings.run_ttl_seconds)
    made = await _submitted(redis, runs, settings, num_runs)
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(num_workers + 1)
    workers = [context.Process(target=serve, args=(settings, start)) for _ in range(num_workers)]
    for worker in workers:
        worker.start()
    try:
        await asyncio.to_thread(start.wait, _START_SECONDS)
        traces = TraceStore(redis, runs)
        for run in made:
            await traces.until_ended(run.id)
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            await asyncio.to_thread(worker.join)
    return await _counted(runs, TraceStore(redis, runs), made, num_workers)


def serve(settings: Settings, start: Barrier) -> None:
    """The process of a worker, until SIGTERM."""
    start.wait(_START_SECONDS)
    asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    is_over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, is_over.set)
    experts = open_simulated({step.text: STEP_SECONDS for step in _plan().steps})
    async with Service.open(settings, experts):
        await is_over.wait()


def _plan() -> Plan:
    return Plan(
        steps=tuple(
            Step(id=k, text=f"work {k}", expert=GENERAL, depends_on=(k - 1,) if k > 1 else ())
            for k in range(1, NUM_STEPS + 1)
        )
    )


async def _submitted(redis: Redis, runs: RunStore, settings: Settings, num_runs: int) -> Sequence[Run]:
    queue = RunQueue(redis, runs.keys, "bench", settings.run_ttl_seconds)
    made = [
        Run(
            id=new_run_id(),
            tenant=settings.tenant,
            task=f"task {k}",
            plan=_plan(),
            is_plan_given=True,
            created=datetime.now(UTC),
        )
        for k in range(num_runs)
    ]
    for run in made:
        await runs.create(run)
        await queue.put(run, Scheduling())
        await runs.keep(run.id)
    return made


async def _counted(runs: RunStore, traces: TraceStore, made: Sequence[Run], num_workers: int) -> QueueThroughput:
    ended = [await runs.get(run.id) for run in made]
    begun = Counter[tuple[str, int]]()
    for run in made:
        events = [entry.event for entry in await traces.read(run.id)]
        begun.update((run.id, event.step) for event in events if isinstance(event, StepStarted))
    times = [(run.started, run.finished) for run in ended if run.started and run.finished]
    seconds = (max(end for _, end in times) - min(begin for begin, _ in times)).total_seconds()
    return QueueThroughput(
        num_workers=num_workers,
        num_runs=len(made),
        steps_per_second=len(made) * NUM_STEPS / seconds,
        seconds=seconds,
        num_successes=sum(run.status is RunStatus.SUCCESS for run in ended),
        num_claimed_again=sum(run.fence > 1 for run in ended),
        num_done_again=sum(times - 1 for times in begun.values()),
    )
