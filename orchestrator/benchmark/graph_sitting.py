"""What a run costs beside its experts, in one sitting, on an embedded Valkey of its own that keeps every write."""

from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from graphs.benchmark.dispatch_benchmark import WITHOUT_REDIS, DispatchBenchmark, GraphFigures, OnProgress
from graphs.benchmark.random_plans import random_plans, seconds_by_text
from graphs.plan import MAX_GIVEN_STEPS
from orchestrator.benchmark.growing_thread import ThreadGrowth, thread_growth
from orchestrator.benchmark.run_tally import RunTally
from orchestrator.benchmark.runs_at_once import RunsAtOnce, runs_at_once
from orchestrator.benchmark.served_plans import ServedPlans
from orchestrator.redis_connection import redis_connection
from orchestrator.settings import read_settings


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured."""

    num_plans: int = 200
    plans_at_once: int = 4
    num_runs_at_once: int = 500
    seed: int = 0


@dataclass(frozen=True, slots=True)
class RedisFigures:
    """What there is only with Redis."""

    runs: RunTally
    """Of the random plans and of those whose steps take no time."""
    runs_at_once: RunsAtOnce
    growing_thread: ThreadGrowth

    @property
    def is_right(self) -> bool:
        """Whether every run succeeded and each step was executed exactly once."""
        return self.runs.is_right and self.runs_at_once.is_right


@dataclass(frozen=True, slots=True)
class GraphSitting:
    """What was measured."""

    extent: Extent
    graph: GraphFigures
    with_redis: RedisFigures | None

    def document(self) -> dict[str, Any]:
        """For JSON."""
        document: dict[str, Any] = {
            **asdict(self.extent),
            **self.graph.document(),
            "has_redis": self.with_redis is not None,
        }
        if (found := self.with_redis) is not None:
            document |= {"is_right": found.is_right, **asdict(found)}
            document["runs_at_once"]["peak_growth"] = found.runs_at_once.peak_growth
        return document


async def take(extent: Extent, on_progress: OnProgress) -> GraphSitting:
    """Measure; REDIS_URL plays no part. Raises ValkeyFailedError."""
    timed = random_plans(extent.num_plans, extent.seed)
    with TemporaryDirectory(prefix="ccoe-bench-") as folder:
        settings = read_settings(
            data_dir=Path(folder),
            redis_url="",
            max_steps=MAX_GIVEN_STEPS,
            max_concurrent_runs=extent.plans_at_once,
        )
        async with redis_connection(settings) as redis:
            async with ServedPlans.open(redis, settings, seconds_by_text(timed)) as served:
                graph = await _benchmark(extent, on_progress, served).measure()
                runs = await served.tally()
            crowd = settings.model_copy(update={"tenant": "crowd"})
            at_once = await runs_at_once(redis, crowd, extent.num_runs_at_once, extent.seed, on_progress)
            return GraphSitting(extent, graph, RedisFigures(runs, at_once, await thread_growth(redis, on_progress)))


async def take_without_redis(extent: Extent, on_progress: OnProgress) -> GraphSitting:
    """Only dispatch: no service, no trace, no memo, no checkpoints."""
    return GraphSitting(extent, await _benchmark(extent, on_progress).measure(), None)


def _benchmark(extent: Extent, on_progress: OnProgress, served: ServedPlans | None = None) -> DispatchBenchmark:
    ways = served.ways if served else WITHOUT_REDIS
    return DispatchBenchmark(ways, extent.num_plans, extent.plans_at_once, extent.seed, on_progress)
