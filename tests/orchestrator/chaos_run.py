"""Many runs while workers are killed every few seconds and Valkey now and then; afterwards all is counted."""

import asyncio
import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

from redis.asyncio import Redis

from graphs.events import StepFinished, StepStarted
from orchestrator.embedded_valkey import EmbeddedValkey
from orchestrator.errors import RedisUnavailableError
from orchestrator.keys import Keys
from orchestrator.redis_connection import redis_connection
from orchestrator.run import Run, RunError, RunStatus, Scheduling
from orchestrator.run_queue import RunQueue
from orchestrator.run_store import RunStore
from orchestrator.service import Service
from orchestrator.settings import Settings, read_settings
from orchestrator.step_memo import step_of
from orchestrator.trace_store import TraceStore
from tests.orchestrator.crash_matrix import PLAN
from tests.orchestrator.ledger_experts import executions, open_ledger_experts
from tests.orchestrator.records import a_run, kept

_NUM_WORKERS = 4
_PATIENCE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Pace:
    """The seconds of a step, and from kill to kill."""

    step: float = 1.5
    """So that the runs last for many kills, however fast the machine is."""
    worker: float = 3.0
    valkey: float = 10.0


@dataclass(slots=True)
class ChaosOutcome:
    """What came of it."""

    num_runs: int
    num_killed_workers: int = 0
    num_killed_valkeys: int = 0
    lost: int = 0
    """Steps that were not done or have no result."""
    committed_twice: int = 0
    done_again: int = 0
    """Steps that were begun again after they were finished."""
    statuses: Counter[RunStatus] = field(default_factory=Counter[RunStatus])
    errors: list[RunError] = field(default_factory=list[RunError])

    @property
    def is_right(self) -> bool:
        """All runs have succeeded, nothing was lost or done twice."""
        return self.statuses == {RunStatus.SUCCESS: self.num_runs} and not (
            self.lost + self.committed_twice + self.done_again
        )


def serve(settings: Settings, ledger: Path, step_seconds: float) -> None:
    """The process of a worker, until it is killed."""

    async def work() -> None:
        while True:
            with suppress(RedisUnavailableError):  # killed while this one starts
                async with Service.open(settings, open_ledger_experts(ledger, step_seconds)):
                    await asyncio.Event().wait()

    asyncio.run(work())


PACE = Pace()


class Chaos:
    """Kills by the clock; what it has killed it starts again."""

    def __init__(self, folder: Path, num_runs: int, pace: Pace = PACE) -> None:
        self._pace = pace
        self._data_dir = folder / "chaos"
        self.ledger = folder / "chaos.ledger"
        self.outcome = ChaosOutcome(num_runs)
        self._valkeys = AsyncExitStack()
        self._context: ForkServerContext = multiprocessing.get_context("forkserver")
        self._workers: list[ForkServerProcess] = []

    async def run(self) -> ChaosOutcome:
        """Put the runs into the queue, let them be worked on until all are terminal, and count."""
        self._context.set_forkserver_preload([__name__])
        async with self._valkeys:
            valkey = await self._valkeys.enter_async_context(EmbeddedValkey(self._data_dir))
            self._settings = read_settings(redis_url=f"unix://{valkey.socket}", max_concurrent_runs=8)
            async with redis_connection(self._settings) as redis:
                runs = RunStore(redis, Keys("default"), 3600)
                made = await self._submitted(redis, runs)
                try:
                    async with asyncio.timeout(_PATIENCE_SECONDS), asyncio.TaskGroup() as group:
                        killing = group.create_task(self._kill())
                        await self._until_terminal(runs, made)
                        killing.cancel()
                finally:
                    for worker in self._workers:
                        worker.kill()
                await self._count(runs, TraceStore(redis, runs), made)
        return self.outcome

    async def _submitted(self, redis: Redis, runs: RunStore) -> list[Run]:
        queue = RunQueue(redis, Keys("default"), "nobody", 3600)
        made = [a_run(f"task {k}", is_plan_given=True, plan={"steps": PLAN}) for k in range(self.outcome.num_runs)]
        for run in made:
            await kept(runs, run)
            await queue.put(run, Scheduling())
        return made

    async def _kill(self) -> None:
        for _ in range(_NUM_WORKERS):
            self._start_worker()
        last_valkey = asyncio.get_running_loop().time()
        while True:
            await asyncio.sleep(self._pace.worker)  # the clock of the chaos
            self._workers.pop(0).kill()
            self._start_worker()
            self.outcome.num_killed_workers += 1
            if asyncio.get_running_loop().time() - last_valkey >= self._pace.valkey:
                os.kill(int((self._data_dir / "valkey" / "valkey.pid").read_text()), signal.SIGKILL)
                await self._valkeys.enter_async_context(EmbeddedValkey(self._data_dir))
                self.outcome.num_killed_valkeys += 1
                last_valkey = asyncio.get_running_loop().time()

    def _start_worker(self) -> None:
        worker = self._context.Process(target=serve, args=(self._settings, self.ledger, self._pace.step))
        worker.start()
        self._workers.append(worker)

    async def _until_terminal(self, runs: RunStore, made: Sequence[Run]) -> None:
        for run in made:
            while True:
                with suppress(RedisUnavailableError):
                    if (await runs.get(run.id)).status.is_terminal:
                        break
                await asyncio.sleep(0.05)  # between two looks at the condition

    async def _count(self, runs: RunStore, traces: TraceStore, made: Sequence[Run]) -> None:
        done = executions(self.ledger)
        for run in made:
            ended = await runs.get(run.id)
            self.outcome.statuses[ended.status] += 1
            self.outcome.errors += [ended.error] if ended.error else []
            num_done = sum(1 for line in done if line.startswith(f"{run.task}|"))
            self.outcome.lost += 2 * len(PLAN) - num_done - len(ended.steps)
            in_memo = Counter(filter(None, map(step_of, await runs.memo(run.id))))
            finished = Counter[int]()
            for entry in await traces.read(run.id):
                if isinstance(entry.event, StepFinished):
                    finished[entry.event.result.id] += 1
                elif isinstance(entry.event, StepStarted) and finished[entry.event.step]:
                    self.outcome.done_again += 1
            self.outcome.committed_twice += sum(max(0, n - 1) for n in (*in_memo.values(), *finished.values()))
