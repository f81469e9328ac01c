"""One queue of runs, served by one worker process and by two: steps a second, and each run exactly once."""

import asyncio
import multiprocessing
import signal
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier

from redis.asyncio import Redis

from graphs.plan import Plan, Step
from graphs.protocols import GENERAL
from orchestrator.benchmark.queued_runs import QueuedRuns
from orchestrator.benchmark.simulated_host import open_simulated
from orchestrator.service import Service
from orchestrator.settings import Settings

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
    queued = await QueuedRuns.put(redis, settings, [_plan()] * num_runs)
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(num_workers + 1)
    workers = [context.Process(target=serve, args=(settings, start)) for _ in range(num_workers)]
    for worker in workers:
        worker.start()
    try:
        await asyncio.to_thread(start.wait, _START_SECONDS)
        await queued.until_ended()
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            await asyncio.to_thread(worker.join)
    found = await queued.tally()
    return QueueThroughput(
        num_workers=num_workers,
        num_runs=found.num_runs,
        steps_per_second=found.num_steps / found.seconds,
        seconds=found.seconds,
        num_successes=found.num_successes,
        num_claimed_again=found.num_claimed_again,
        num_done_again=found.num_done_again,
    )


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
