"""Whatever happens to a run, it ends in a true state, or somebody else's hands."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from graphs.asking import key_of
from graphs.budget import Budget, Spent
from graphs.events import AnswerWanted, EventSink, StepToken
from graphs.run import RunOutcome
from orchestrator.claimed_run import ClaimedRun
from orchestrator.delivery_store import DeliveryStore
from orchestrator.events import RunFinished
from orchestrator.execution import Execution
from orchestrator.run import Run, RunStatus, Scheduling
from orchestrator.run_queue import Lease, RunQueue
from orchestrator.run_store import RunStore
from orchestrator.service import Service
from orchestrator.settings import Settings
from orchestrator.step_memo import memo_field
from orchestrator.trace_store import TraceStore
from tests.orchestrator.conditions import until
from tests.orchestrator.crash_matrix import Kind, crash_matrix, valkey_matrix
from tests.orchestrator.records import a_run, claimed, kept
from tests.orchestrator.scripted_experts import A_STEP_THAT_WAITS, TWO_STEPS, open_scripted_experts
from tests.orchestrator.test_service import ended
from tests.orchestrator.test_webhook import SECRET

pytestmark = pytest.mark.usefixtures("server")


class Perform:
    """What the runs of a test do: begin, and wait until they are let go."""

    def __init__(self) -> None:
        self.num_running = 0
        self.num_begun = 0
        self.go_on = asyncio.Event()

    async def __call__(self, claimed: ClaimedRun, sink: EventSink) -> RunOutcome:
        self.num_begun += 1
        self.num_running += 1
        try:
            await self.go_on.wait()
            await sink.emit(StepToken(step=1, text="late"))
            raise ValueError("nothing more to do")
        finally:
            self.num_running -= 1


@pytest.fixture
def perform() -> Perform:
    return Perform()


class Begun:
    """A run that is executed in the background."""

    def __init__(self, run: Run, execution: Execution) -> None:
        self.run = run
        self.execution = execution
        self.task = asyncio.create_task(execution.run())

    async def settled(self) -> None:
        async with asyncio.timeout(10):
            await self.task


async def leased(runs: RunStore, queue: RunQueue, **fields: Any) -> tuple[Run, Lease]:
    run = await kept(runs, a_run(**fields))
    await queue.put(run, Scheduling())
    (lease,) = await queue.take(1, [])
    return run, lease


@pytest.fixture
async def begun(runs: RunStore, queue: RunQueue, perform: Perform) -> Begun:
    run, lease = await leased(runs, queue)
    begun = Begun(run, Execution(lease, runs, queue, perform))

    async def is_running() -> bool:
        return perform.num_running == 1

    await until(is_running, "the run is performed")
    return begun


async def num_entries(redis: Redis, runs: RunStore) -> int:
    return sum([await redis.xlen(lane) for lane in runs.keys.lanes])


async def test_a_fault_of_the_program_is_named(
    runs: RunStore, redis: Redis, begun: Begun, perform: Perform, caplog: pytest.LogCaptureFixture
) -> None:
    perform.go_on.set()
    await begun.settled()
    run = await runs.get(begun.run.id)
    assert run.status is RunStatus.ERROR
    assert run.error is not None and run.error.message == "ValueError: nothing more to do"
    assert "Traceback" in caplog.text
    assert await num_entries(redis, runs) == 0


async def test_a_cancelled_run_is_stopped_in_less_than_a_second(
    runs: RunStore, redis: Redis, begun: Begun, perform: Perform
) -> None:
    """Nobody tells the worker; it finds the record."""
    await runs.cancel(begun.run.id, "by another process")
    cancelled_at = time.monotonic()
    await begun.settled()
    assert time.monotonic() - cancelled_at < 1
    assert perform.num_running == 0
    run = await runs.get(begun.run.id)
    assert run.error is not None and run.error.message == "by another process"
    assert await num_entries(redis, runs) == 0


async def test_a_run_that_was_cancelled_while_it_waited_is_not_begun(
    runs: RunStore, redis: Redis, queue: RunQueue, perform: Perform
) -> None:
    run, lease = await leased(runs, queue)
    await runs.cancel(run.id, "no longer needed")
    await Execution(lease, runs, queue, perform).run()
    assert perform.num_begun == 0
    assert await num_entries(redis, runs) == 0


async def test_a_run_that_is_handed_back_waits_for_another_worker_with_all_its_attempts(
    runs: RunStore, begun: Begun, perform: Perform, other_queue: RunQueue
) -> None:
    begun.execution.hand_back()
    await begun.settled()
    assert perform.num_running == 0
    run = await runs.get(begun.run.id)
    assert (run.status, run.attempts) == (RunStatus.PENDING, 0)
    assert [lease.run_id for lease in await other_queue.take(1, [])] == [run.id]


async def test_a_run_that_was_taken_over_is_left_to_the_other_worker(
    runs: RunStore, redis: Redis, begun: Begun, perform: Perform
) -> None:
    await claimed(runs, begun.run, "w2")
    await begun.settled()
    assert perform.num_running == 0
    run = await runs.get(begun.run.id)
    assert (run.status, run.worker, run.fence) == (RunStatus.RUNNING, "w2", 2)
    assert await num_entries(redis, runs) == 1


async def test_a_run_whose_worker_died_before_its_entry_was_aside_is_interrupted_and_told_once(
    runs: RunStore, redis: Redis, queue: RunQueue, perform: Perform, traces: TraceStore, settings: Settings
) -> None:
    """The next worker finds the entry in its lane, and that the run waits for a person already."""
    webhook = {"url": "https://example.org/", "secret": SECRET}
    run, lease = await leased(runs, queue, webhook=webhook)
    dying, wanted = await claimed(runs, run, "dead"), AnswerWanted(step=1, digest="d1", text="Pay 48?")
    deliveries = DeliveryStore(redis, runs.keys, settings)
    await dying.append_question(wanted)
    await dying.interrupt({memo_field(key_of(wanted)): wanted}, Spent())
    await deliveries.announce(run.id)

    following = RunQueue(redis, runs.keys, "w1", settings.run_ttl_seconds, announce=deliveries.announce)
    perform.go_on.set()
    await Execution(lease, runs, following, perform).run()
    assert perform.num_begun == 0
    assert (await runs.is_interrupted(run.id), await following.aside()) == (True, [run.id])
    assert [entry.event.type for entry in await traces.read(run.id)] == ["answer_wanted", "run_interrupted"]
    assert [one.id for one in await deliveries.latest(10)] == [f"{run.id}-run_interrupted-1-run"]


@pytest.mark.parametrize(("max_attempts", "times"), [(1, "once"), (3, "3 times")])
async def test_a_run_that_wears_out_its_workers_ends_with_a_true_error(
    runs: RunStore, redis: Redis, queue: RunQueue, perform: Perform, max_attempts: int, times: str
) -> None:
    run, lease = await leased(runs, queue, max_attempts=max_attempts)
    for _ in range(max_attempts):
        await claimed(runs, run, "dead")
    await Execution(lease, runs, queue, perform).run()
    assert perform.num_begun == 0
    ended = await runs.get(run.id)
    assert ended.status is RunStatus.ERROR
    assert ended.error is not None and ended.error.type == "worker_died"
    assert f"taken up {times}" in ended.error.message
    assert await num_entries(redis, runs) == 0


async def test_a_record_that_cannot_be_read_ends_the_run(
    runs: RunStore, redis: Redis, queue: RunQueue, perform: Perform
) -> None:
    run, lease = await leased(runs, queue)
    await redis.hset(runs.keys.run(run.id), "colour", '"red"')  # of a later version
    await Execution(lease, runs, queue, perform).run()
    assert await redis.hget(runs.keys.run(run.id), "status") == '"error"'
    assert "colour" in str(await redis.hget(runs.keys.run(run.id), "error"))
    assert (perform.num_begun, await num_entries(redis, runs)) == (0, 0)


@pytest.mark.parametrize("kind", ["given", "planned"])
@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.slow)])
async def test_kill_9_at_any_command_of_a_run_loses_nothing_and_does_nothing_twice(
    redis: Redis, tmp_path: Path, every: int, kind: Kind
) -> None:
    """Also while the run is planned: what was written of the plan is not written again."""
    outcomes = await crash_matrix(redis, tmp_path, every, kind)
    assert [outcome for outcome in outcomes if not outcome.is_right] == []
    # the last points are of looks and heartbeats, of which a quiet machine needs fewer
    assert sum(outcome.was_killed for outcome in outcomes) >= 0.5 * len(outcomes) > 5


@pytest.mark.parametrize("server", ["valkey"], indirect=True)  # each point has one of its own
@pytest.mark.parametrize("every", [9, pytest.param(1, marks=pytest.mark.slow)])
async def test_kill_9_of_valkey_at_any_command_of_a_run_loses_nothing_and_does_nothing_twice(
    tmp_path: Path, every: int
) -> None:
    outcomes = await valkey_matrix(tmp_path, every)
    assert [outcome for outcome in outcomes if not outcome.is_right] == []
    assert sum(outcome.was_killed for outcome in outcomes) >= 0.5 * len(outcomes) > 3


async def test_a_run_that_spends_it_all_ends_with_what_is_done(service: Service) -> None:
    run, entries = await ended(service, await service.submit("how many?", TWO_STEPS, limits=Budget(steps=1)))
    assert run.status is RunStatus.BUDGET_EXHAUSTED
    assert run.error is not None and run.error.message == "the run's 1 steps are used up; allow it more"
    assert [result.status for result in run.steps.values()] == ["success", "skipped"]
    assert run.answer is not None and run.limits == Budget(steps=1)
    assert isinstance(entries[-1].event, RunFinished) and entries[-1].event.status is RunStatus.BUDGET_EXHAUSTED


async def test_seconds_end_a_step_that_is_running(service: Service) -> None:
    run, _ = await ended(service, await service.submit("a task", A_STEP_THAT_WAITS, limits=Budget(seconds=0.01)))
    assert (run.status, run.steps[1].status) == (RunStatus.BUDGET_EXHAUSTED, "skipped")


async def test_limits_of_a_run_only_lower_those_of_the_settings(settings: Settings) -> None:
    own = settings.model_copy(update={"limits": Budget(steps=1, tokens=500)})
    async with Service.open(own, open_scripted_experts) as service:
        run = await service.submit("a task", TWO_STEPS, limits=Budget(steps=9, tokens=50, seconds=5))
        assert run.limits == Budget(steps=1, tokens=50, seconds=5)
