"""One stream per run is trace, live feed and replay."""

import asyncio

import pytest

from graphs.events import StepToken
from orchestrator.claimed_run import ClaimedRun
from orchestrator.errors import RunEndedError, RunNotFoundError
from orchestrator.events import RunFinished, RunStarted, TraceEntry
from orchestrator.run import Run, RunStatus
from orchestrator.run_store import RunStore
from orchestrator.trace_store import TraceStore
from tests.orchestrator.records import a_run, claimed, kept

pytestmark = pytest.mark.usefixtures("server")


@pytest.fixture
async def run(runs: RunStore) -> Run:
    return await kept(runs, a_run())


@pytest.fixture
async def writer(runs: RunStore, run: Run) -> ClaimedRun:
    return await claimed(runs, run)


def texts(entries: list[TraceEntry]) -> list[str]:
    return [entry.event.text for entry in entries if isinstance(entry.event, StepToken)]


async def write(writer: ClaimedRun, *numbers: int) -> None:
    for number in numbers:
        await writer.append(StepToken(step=1, text=str(number)))


async def test_a_trace_is_read_whole_and_from_an_id_on(traces: TraceStore, writer: ClaimedRun) -> None:
    run = writer.run
    await writer.append(RunStarted(run_id=run.id, task=run.task, worker="w1"))
    await write(writer, 2, 3)
    entries = await traces.read(run.id)
    assert [entry.event.type for entry in entries] == ["run_started", "step_token", "step_token"]
    assert [entry.id for entry in entries] == ["1-1", "1-2", "1-3"]
    assert texts(await traces.read(run.id, after=entries[1].id)) == ["3"]


async def test_whoever_takes_over_writes_behind_what_is_there(
    traces: TraceStore, runs: RunStore, writer: ClaimedRun
) -> None:
    await write(writer, 1, 2)
    await write(await claimed(runs, writer.run, "w2"), 3, 4)
    assert [entry.id for entry in await traces.read(writer.run.id)] == ["1-1", "1-2", "2-1", "2-2"]


async def test_following_ends_with_the_run(traces: TraceStore, writer: ClaimedRun) -> None:
    await write(writer, 1)
    seen: list[TraceEntry] = []

    async def follow() -> None:
        async for entry in traces.follow(writer.run.id):
            seen.append(entry)
            if entry.id == "1-1":
                await write(writer, 2)
                await writer.finish(RunFinished(run_id=writer.run.id, status=RunStatus.SUCCESS))

    async with asyncio.timeout(10):
        await follow()
    assert texts(seen) == ["1", "2"]
    assert isinstance(seen[-1].event, RunFinished)
    assert await traces.read(writer.run.id) == seen


async def test_an_ended_trace_is_followed_from_any_place(traces: TraceStore, writer: ClaimedRun) -> None:
    await write(writer, 1, 2)
    await writer.finish(RunFinished(run_id=writer.run.id, status=RunStatus.ERROR))
    entries = await traces.read(writer.run.id)
    async with asyncio.timeout(10):
        for place, entry in enumerate(entries, start=1):
            assert [after async for after in traces.follow(writer.run.id, entry.id)] == entries[place:]


async def test_nothing_comes_after_the_end(writer: ClaimedRun) -> None:
    await writer.finish(RunFinished(run_id=writer.run.id, status=RunStatus.CANCELLED))
    with pytest.raises(RunEndedError):
        await write(writer, 1)


async def test_a_trace_of_nobody(traces: TraceStore) -> None:
    with pytest.raises(RunNotFoundError):
        await traces.read("01a2")
    with pytest.raises(RunNotFoundError):
        await anext(aiter(traces.follow("01a2")))
