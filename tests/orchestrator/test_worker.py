"""Several workers, one queue: each run exactly once, whoever dies."""

import asyncio
import signal
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path
from unittest.mock import AsyncMock

import pytest
from redis.asyncio import Redis

from orchestrator.heartbeat import Heartbeat
from orchestrator.keys import Keys
from orchestrator.redis_connection import redis_url
from orchestrator.run import Run, RunStatus, Scheduling
from orchestrator.run_queue import RunQueue
from orchestrator.run_store import RunStore
from orchestrator.settings import Settings
from orchestrator.trace_store import TraceStore
from orchestrator.worker import MAX_TAKEN, Worker
from tests.orchestrator.chaos_run import Chaos, Pace
from tests.orchestrator.conditions import until
from tests.orchestrator.ledger_experts import executions
from tests.orchestrator.processes import line_with, process
from tests.orchestrator.records import a_run, kept
from tests.orchestrator.test_execution import Perform

pytestmark = pytest.mark.usefixtures("server")


@pytest.fixture
def perform() -> Perform:
    return Perform()


@pytest.fixture
async def worker(settings: Settings, runs: RunStore, queue: RunQueue, perform: Perform) -> AsyncIterator[Worker]:
    with Heartbeat(redis_url(settings), "w1") as heartbeat:
        worker = Worker(runs, queue, heartbeat, perform, max_concurrent_runs=2)
        working = asyncio.create_task(worker.work())
        yield worker
        working.cancel()
        await worker.close()


async def put(runs: RunStore, queue: RunQueue, number: int) -> list[Run]:
    made = [await kept(runs, a_run()) for _ in range(number)]
    for run in made:
        await queue.put(run, Scheduling())
    return made


async def until_running(perform: Perform, number: int) -> None:
    async def are_running() -> bool:
        return perform.num_running == number

    await until(are_running, f"{number} runs are performed")


async def statuses(runs: RunStore, made: list[Run]) -> list[RunStatus]:
    return [(await runs.get(run.id)).status for run in made]


async def test_many_runs_are_begun_a_few_at_a_time(
    settings: Settings, runs: RunStore, queue: RunQueue, perform: Perform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hundreds that begin together would hold up each other's writes until Redis seems to be gone."""
    take = AsyncMock(wraps=queue.take)
    monkeypatch.setattr(queue, "take", take)
    await put(runs, queue, 3 * MAX_TAKEN)
    with Heartbeat(redis_url(settings), "w1") as heartbeat:
        worker = Worker(runs, queue, heartbeat, perform, max_concurrent_runs=100)
        working = asyncio.create_task(worker.work())
        await until_running(perform, 3 * MAX_TAKEN)
        working.cancel()
        await worker.close()
    assert {call.args[0] for call in take.await_args_list} == {MAX_TAKEN}


@pytest.mark.usefixtures("worker")
async def test_only_so_many_at_once_and_the_others_wait_for_any_worker(
    runs: RunStore, queue: RunQueue, other_queue: RunQueue, perform: Perform
) -> None:
    made = await put(runs, queue, 4)
    await until_running(perform, 2)
    assert (await statuses(runs, made)).count(RunStatus.PENDING) == 2
    assert len(await other_queue.take(1, [])) == 1
    perform.go_on.set()

    async def are_ended() -> bool:
        return (await statuses(runs, made)).count(RunStatus.ERROR) == 3

    await until(are_ended, "all but the other worker's run have ended")


async def test_closing_hands_all_runs_back(
    runs: RunStore, queue: RunQueue, other_queue: RunQueue, worker: Worker, perform: Perform
) -> None:
    made = await put(runs, queue, 3)
    await until_running(perform, 2)
    await worker.close()
    assert await statuses(runs, made) == [RunStatus.PENDING] * 3
    assert {lease.run_id for lease in await other_queue.take(3, [])} == {run.id for run in made}


PLAN_OF_FIVE = [
    {"id": 1, "text": "say 1", "expert": "math"},
    {"id": 2, "text": "say 2 then #1", "expert": "math"},
    {"id": 3, "text": "say 3 then #2", "expert": "math"},
    {"id": 4, "text": "say 4 then #2", "expert": "math"},
    {"id": 5, "text": "say #3 and #4", "expert": "general"},
]


async def submitted(redis: Redis, runs: RunStore, task: str) -> Run:
    """A run with a plan of five steps, in the queue."""
    run = await kept(runs, a_run(task, is_plan_given=True, plan={"steps": PLAN_OF_FIVE}))
    await RunQueue(redis, Keys("default"), "nobody", 3600).put(run, Scheduling())
    return run


async def until_done(ledger: Path, number: int) -> None:
    async def are_done() -> bool:
        return executions(ledger).total() >= number

    await until(are_done, f"{number} steps are done")


class Workers:
    """Two processes that serve the queue."""

    def __init__(self, by_id: dict[str, Process]) -> None:
        self._by_id = by_id

    def one_with(self, run: Run) -> Process:
        assert run.worker is not None
        return self._by_id[run.worker]


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger"


@pytest.fixture
async def workers(ledger: Path) -> AsyncIterator[Workers]:
    started = [process("ledger_worker", str(ledger), "0.3") for _ in range(2)]
    async with started[0] as first, started[1] as second:
        ups = await asyncio.gather(line_with("up", first), line_with("up", second))
        yield Workers({up.split()[1]: each for up, each in zip(ups, (first, second), strict=True)})


async def ended(traces: TraceStore, runs: RunStore, run: Run) -> Run:
    async with asyncio.timeout(20):
        async for _ in traces.follow(run.id):
            pass
    return await runs.get(run.id)


async def test_after_kill_9_another_worker_takes_over_in_five_seconds(
    redis: Redis, runs: RunStore, traces: TraceStore, workers: Workers, ledger: Path
) -> None:
    """What was committed is not done again: of five steps at most the one in flight is done twice."""
    run = await submitted(redis, runs, "a task")
    await until_done(ledger, 2)
    victim = workers.one_with(before := await runs.get(run.id))
    victim.kill()
    await victim.wait()
    killed_at = time.monotonic()

    async def is_taken_over() -> bool:
        return (await runs.get(run.id)).worker != before.worker

    await until(is_taken_over, "another worker has the run", seconds=5)
    assert time.monotonic() - killed_at < 5
    kept_run = await ended(traces, runs, run)
    assert (kept_run.status, kept_run.fence) == (RunStatus.SUCCESS, 2)
    assert set(kept_run.steps) == {1, 2, 3, 4, 5}
    done = executions(ledger)
    assert len(done) == 5
    assert done.total() <= 6
    types = [entry.event.type for entry in await traces.read(run.id)]
    assert (types.count("planned"), types.count("step_finished"), types.count("run_started")) == (1, 5, 2)


async def test_sigterm_hands_runs_to_another_worker_without_an_attempt(
    redis: Redis, runs: RunStore, traces: TraceStore, workers: Workers, ledger: Path
) -> None:
    run = await submitted(redis, runs, "a task")
    await until_done(ledger, 1)
    leaving = workers.one_with(await runs.get(run.id))
    leaving.terminate()
    async with asyncio.timeout(10):
        assert await leaving.wait() == 0
    kept_run = await ended(traces, runs, run)
    assert (kept_run.status, kept_run.fence) == (RunStatus.SUCCESS, 2)
    assert kept_run.attempts <= 1
    assert len(executions(ledger)) == 5


async def test_a_worker_that_was_stopped_for_long_finds_its_run_taken_and_stops(
    redis: Redis, runs: RunStore, traces: TraceStore, workers: Workers, ledger: Path
) -> None:
    """SIGSTOP: its late writes are refused, and the run ends as the other worker ends it."""
    run = await submitted(redis, runs, "a task")
    await until_done(ledger, 1)
    sleeper = workers.one_with(await runs.get(run.id))
    sleeper.send_signal(signal.SIGSTOP)

    async def is_taken_over() -> bool:
        return (await runs.get(run.id)).fence == 2

    await until(is_taken_over, "the other worker has the run", seconds=10)
    sleeper.send_signal(signal.SIGCONT)
    kept_run = await ended(traces, runs, run)
    assert (kept_run.status, kept_run.fence) == (RunStatus.SUCCESS, 2)
    ids = [entry.id for entry in await traces.read(run.id)]
    fences = [int(entry_id.split("-")[0]) for entry_id in ids[:-1]]
    assert fences == sorted(fences)


async def test_two_workers_share_a_queue_and_do_every_run_once(
    redis: Redis, runs: RunStore, traces: TraceStore, workers: Workers, ledger: Path
) -> None:
    assert workers
    made = [await submitted(redis, runs, f"task {k}") for k in range(12)]
    kept_runs = [await ended(traces, runs, run) for run in made]
    assert {run.status for run in kept_runs} == {RunStatus.SUCCESS}
    assert {run.fence for run in kept_runs} == {1}
    assert len({run.worker for run in kept_runs}) == 2
    done = executions(ledger)
    assert (len(done), done.total()) == (60, 60)


@pytest.mark.parametrize("server", ["valkey"], indirect=True)  # it has one of its own
async def test_a_little_chaos_leaves_all_runs_right(tmp_path: Path) -> None:
    outcome = await Chaos(tmp_path, 40, Pace(step=0.5, worker=1.5, valkey=3.0)).run()
    assert outcome.is_right, outcome
    assert outcome.num_killed_workers > 1
    assert outcome.num_killed_valkeys > 0


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("server", ["valkey"], indirect=True)  # it has one of its own
async def test_chaos_leaves_all_runs_right(tmp_path: Path) -> None:
    """200 runs of five steps; a worker is killed every 3 s, Valkey every 10 s."""
    outcome = await Chaos(tmp_path, 200).run()
    assert outcome.is_right, outcome
    assert outcome.num_killed_workers > 5
    assert outcome.num_killed_valkeys > 1
