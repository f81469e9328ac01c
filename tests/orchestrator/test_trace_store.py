"""One stream per run is trace, live feed and replay."""

import asyncio

import pytest

from graphs.events import StepToken
from orchestrator.errors import RunEndedError, RunNotFoundError
from orchestrator.events import RunFinished, RunStarted, TraceEntry
from orchestrator.run import Run, RunStatus
from orchestrator.run_store import RunStore
from orchestrator.trace_store import TraceStore
from tests.orchestrator.records import a_run

pytestmark = pytest.mark.usefixtures("server")


@pytest.fixture
async def run(runs: RunStore) -> Run:
    run = a_run()
    await runs.create(run)
    return run


def texts(entries: list[TraceEntry]) -> list[str]:
    return [entry.event.text for entry in entries if isinstance(entry.event, StepToken)]


async def write(traces: TraceStore, run: Run, *numbers: int) -> None:
    for number in numbers:
        await traces.append(run.id, number, StepToken(step=1, text=str(number)))


async def test_a_trace_is_read_whole_and_from_an_id_on(traces: TraceStore, run: Run) -> None:
    await traces.append(run.id, 1, RunStarted(run_id=run.id, task=run.task, worker=run.worker))
    await write(traces, run, 2, 3)
    entries = await traces.read(run.id)
    assert [entry.event.type for entry in entries] == ["run_started", "step_token", "step_token"]
    assert texts(await traces.read(run.id, after=entries[1].id)) == ["3"]


async def test_an_event_that_is_sent_again_is_written_once(traces: TraceStore, run: Run) -> None:
    """The client repeats a command when the connection breaks before the reply."""
    await write(traces, run, 1, 2, 2, 1, 3)
    assert texts(await traces.read(run.id)) == ["1", "2", "3"]


async def test_following_ends_with_the_run(traces: TraceStore, runs: RunStore, run: Run) -> None:
    await write(traces, run, 1)
    seen: list[TraceEntry] = []

    async def follow() -> None:
        async for entry in traces.follow(run.id):
            seen.append(entry)
            if entry.id == "1-0":
                await write(traces, run, 2)
                await runs.finish(RunFinished(run_id=run.id, status=RunStatus.SUCCESS))

    async with asyncio.timeout(10):
        await follow()
    assert texts(seen) == ["1", "2"]
    assert isinstance(seen[-1].event, RunFinished)
    assert await traces.read(run.id) == seen


async def test_an_ended_trace_is_followed_from_any_place(traces: TraceStore, runs: RunStore, run: Run) -> None:
    await write(traces, run, 1, 2)
    await runs.finish(RunFinished(run_id=run.id, status=RunStatus.ERROR))
    entries = await traces.read(run.id)
    async with asyncio.timeout(10):
        for place, entry in enumerate(entries, start=1):
            assert [after async for after in traces.follow(run.id, entry.id)] == entries[place:]


async def test_nothing_comes_after_the_end(traces: TraceStore, runs: RunStore, run: Run) -> None:
    await runs.finish(RunFinished(run_id=run.id, status=RunStatus.CANCELLED))
    with pytest.raises(RunEndedError):
        await write(traces, run, 1)


async def test_a_trace_of_nobody(traces: TraceStore) -> None:
    with pytest.raises(RunNotFoundError):
        await traces.read("01a2")
    with pytest.raises(RunNotFoundError):
        await anext(aiter(traces.follow("01a2")))
