"""Whatever happens to a run, it ends in a true state."""

import asyncio

import pytest

from graphs.events import EventSink
from graphs.workflow import RunOutcome
from orchestrator.executor import Executor
from orchestrator.run import Run, RunStatus
from orchestrator.run_store import RunStore
from orchestrator.trace_store import TraceStore
from tests.orchestrator.conditions import until
from tests.orchestrator.records import a_run

pytestmark = pytest.mark.usefixtures("server")


class Perform:
    """What the runs of a test do: begin, and wait until they are let go."""

    def __init__(self) -> None:
        self.num_running = 0
        self.most_running = 0
        self.go_on = asyncio.Event()

    async def __call__(self, run: Run, sink: EventSink) -> RunOutcome:
        self.num_running += 1
        self.most_running = max(self.most_running, self.num_running)
        try:
            await self.go_on.wait()
            raise ValueError("nothing more to do")
        finally:
            self.num_running -= 1


@pytest.fixture
def perform() -> Perform:
    return Perform()


@pytest.fixture
def executor(runs: RunStore, traces: TraceStore, perform: Perform) -> Executor:
    return Executor(runs, traces, perform, max_concurrent_runs=2)


async def started(runs: RunStore, executor: Executor) -> Run:
    run = a_run()
    await runs.create(run)
    executor.start(run)
    return run


async def until_running(perform: Perform, number: int) -> None:
    async def are_running() -> bool:
        return perform.num_running == number

    await until(are_running, f"{number} runs are running")


async def test_a_fault_of_the_program_is_named(
    runs: RunStore, executor: Executor, perform: Perform, caplog: pytest.LogCaptureFixture
) -> None:
    run = await started(runs, executor)
    perform.go_on.set()
    await executor.wait(run.id)
    kept = await runs.get(run.id)
    assert kept.status is RunStatus.ERROR
    assert kept.error is not None and kept.error.message == "ValueError: nothing more to do"
    assert "Traceback" in caplog.text


async def test_only_so_many_at_once(runs: RunStore, executor: Executor, perform: Perform) -> None:
    made = [await started(runs, executor) for _ in range(5)]
    await until_running(perform, 2)
    statuses = [(await runs.get(run.id)).status for run in made]
    assert statuses.count(RunStatus.RUNNING) == 2
    assert statuses.count(RunStatus.PENDING) == 3
    perform.go_on.set()
    for run in made:
        await executor.wait(run.id)
    assert perform.most_running == 2


async def test_cancel_holds_for_running_and_for_waiting_runs(
    runs: RunStore, executor: Executor, perform: Perform
) -> None:
    made = [await started(runs, executor) for _ in range(3)]
    await until_running(perform, 2)
    for run in made:
        assert executor.cancel(run.id, "no longer needed")
        await executor.wait(run.id)
        kept = await runs.get(run.id)
        assert kept.status is RunStatus.CANCELLED
        assert kept.error is not None and kept.error.message == "no longer needed"
    assert perform.num_running == 0
    assert not executor.cancel(made[0].id, "again")


async def test_a_run_that_was_ended_elsewhere_is_stopped(runs: RunStore, executor: Executor, perform: Perform) -> None:
    run = await started(runs, executor)
    await until_running(perform, 1)
    await runs.cancel(run.id, "by another process")
    await executor.reconcile()
    await executor.wait(run.id)
    assert perform.num_running == 0
    kept = await runs.get(run.id)
    assert kept.error is not None and kept.error.message == "by another process"


async def test_close_marks_what_was_running(runs: RunStore, executor: Executor, perform: Perform) -> None:
    made = [await started(runs, executor) for _ in range(4)]
    await until_running(perform, 2)
    await executor.close("stopped by the operator")
    for run in made:
        kept = await runs.get(run.id)
        assert kept.status is RunStatus.CANCELLED
        assert kept.error is not None and kept.error.message == "stopped by the operator"
    assert await runs.active() == []
