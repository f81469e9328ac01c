"""All throughputs in one sitting, on an embedded Valkey of its own that keeps every write."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from orchestrator.benchmark.event_throughput import EventThroughput, event_throughput
from orchestrator.benchmark.http_throughput import HttpThroughput, http_throughput
from orchestrator.benchmark.queue_throughput import QueueThroughput, queue_throughput
from orchestrator.redis_connection import redis_connection
from orchestrator.settings import read_settings

RUNS_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Sitting:
    """What was measured."""

    events: EventThroughput
    http: HttpThroughput
    queue: tuple[QueueThroughput, ...]
    """By the number of workers, beginning with one."""

    @property
    def speedup(self) -> float:
        """Steps a second of the most workers beside those of one."""
        return self.queue[-1].steps_per_second / self.queue[0].steps_per_second


async def take(num_runs: int, num_events: int, max_workers: int, on_progress: Callable[[str], None]) -> Sitting:
    """Measure; the settings of the environment play no part."""
    with TemporaryDirectory(prefix="ccoe-bench-") as folder:
        own = {"data_dir": Path(folder), "redis_url": "", "step_cache_seconds": 0}
        settings = read_settings(**own, max_concurrent_runs=RUNS_AT_ONCE)
        async with redis_connection(settings) as redis:
            on_progress("events")
            events = await event_throughput(redis, "events", num_events, num_events // 10)
            on_progress("runs over HTTP")
            http = await http_throughput(settings.model_copy(update={"tenant": "http"}))
            queues: list[QueueThroughput] = []
            for num_workers in range(1, max_workers + 1):
                on_progress(f"{num_runs} runs, {num_workers} workers")
                tenant = settings.model_copy(update={"tenant": f"workers{num_workers}"})
                queues.append(await queue_throughput(redis, tenant, num_workers, num_runs))
    return Sitting(events, http, tuple(queues))
