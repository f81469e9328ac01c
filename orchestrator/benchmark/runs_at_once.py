"""Many runs at once on one worker, wave after wave: all of them end, and its memory stays what it was."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from redis.asyncio import Redis

from experts.benchmark.resident import resident_bytes
from graphs.benchmark.dispatch_benchmark import OnProgress
from graphs.benchmark.random_plans import random_plans, seconds_by_text
from graphs.plan import Plan
from orchestrator.benchmark.queued_runs import QueuedRuns
from orchestrator.benchmark.run_tally import RunTally
from orchestrator.benchmark.worker_process import worker_process
from orchestrator.settings import Settings

NUM_WAVES = 3
"""Memory that is not given back is used again by the next one; what still grows in the last one is left behind."""
_SAMPLE_SECONDS = 0.25
_REST_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Wave:
    """Runs that were put into the queue together; MB are the worker's, resident."""

    began: float
    """Seconds since the worker was there."""
    ended: float
    tally: RunTally
    peak_megabytes: float
    megabytes_after: float
    """At rest."""


@dataclass(frozen=True, slots=True)
class RunsAtOnce:
    """Of one worker."""

    num_runs: int
    """Of each wave."""
    megabytes_before: float
    waves: tuple[Wave, ...]
    samples: tuple[tuple[float, float], ...]
    """Seconds since the worker was there, MB resident."""

    @property
    def is_right(self) -> bool:
        """Whether every run succeeded and each step was executed exactly once."""
        return all(wave.tally.is_right for wave in self.waves)

    @property
    def peak_growth(self) -> float:
        """The last wave's peak as a multiple of that of the wave before it."""
        return self.waves[-1].peak_megabytes / self.waves[-2].peak_megabytes


async def runs_at_once(
    redis: Redis, settings: Settings, num_runs: int, seed: int, on_progress: OnProgress
) -> RunsAtOnce:
    """Let one worker execute so many random plans at the same time, some times. Raises RedisUnavailableError."""
    plans = random_plans(num_runs, seed)
    allowed = settings.model_copy(update={"max_concurrent_runs": num_runs})
    async with worker_process(allowed, seconds_by_text(plans)) as process_id:
        memory, waves = _Memory(process_id), list[Wave]()
        before = memory.look()
        async with asyncio.TaskGroup() as group:  # a worker that dies ends the measurement
            watching = group.create_task(memory.watch())
            for number in range(1, NUM_WAVES + 1):
                tell = partial(on_progress, f"{num_runs} runs at once, wave {number}")
                waves.append(await _wave(redis, allowed, [timed.plan for timed in plans], memory, tell))
            watching.cancel()
    return RunsAtOnce(num_runs, before, tuple(waves), tuple(memory.samples))


@dataclass(frozen=True, slots=True)
class _Memory:
    """Of another process, in MB."""

    process_id: int
    start: float = field(default_factory=time.monotonic)
    samples: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])

    def look(self) -> float:
        megabytes = resident_bytes(self.process_id) / 1e6
        self.samples.append((self.now, megabytes))
        return megabytes

    @property
    def now(self) -> float:
        return time.monotonic() - self.start

    async def watch(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(_SAMPLE_SECONDS)

    def peak(self, began: float) -> float:
        return max(megabytes for seconds, megabytes in self.samples if seconds >= began)


async def _wave(
    redis: Redis, settings: Settings, plans: Sequence[Plan], memory: _Memory, tell: Callable[[int, int], None]
) -> Wave:
    began = memory.now
    tell(0, len(plans))
    queued = await QueuedRuns.put(redis, settings, plans)
    await queued.until_ended(lambda number: tell(number, len(plans)))
    ended, peak = memory.now, memory.peak(began)
    await asyncio.sleep(_REST_SECONDS)
    after = memory.look()
    return Wave(began, ended, await queued.tally(), peak, after)
