"""A run has one writer: the last one that claimed it, until the run is terminal."""

import pytest
from redis.asyncio import Redis

from graphs.events import Answered, Planned, StepFinished, StepResult
from graphs.plan import Plan, Step
from orchestrator.claimed_run import ClaimedRun
from orchestrator.errors import LeaseLostError, RunEndedError, RunNotFoundError
from orchestrator.events import RunFinished, RunStarted
from orchestrator.run import RunError, RunStatus, Timings, Usage
from orchestrator.run_store import RunStore
from tests.orchestrator.records import a_run, claimed, kept

pytestmark = pytest.mark.usefixtures("server")

RESULT = StepResult(id=1, status="success", result="48")


@pytest.fixture
async def writer(runs: RunStore) -> ClaimedRun:
    return await claimed(runs, await kept(runs, a_run()))


def writes(writer: ClaimedRun) -> list[object]:
    """One of each kind, not awaited yet."""
    run_id = writer.run.id
    return [
        writer.append(RunStarted(run_id=run_id, task="a task", worker="w1")),
        writer.append_plan(Planned(plan=Plan(steps=(Step(id=1, text="a", expert="x"),)))),
        writer.append_step(StepFinished(result=RESULT)),
        writer.append_answer(Answered(answer="48", source="joiner")),
        writer.commit("1.1.0.0:ab", RESULT),
        writer.hand_back(counts=False),
        writer.finish(RunFinished(run_id=run_id, status=RunStatus.SUCCESS)),
        writer.check(),
    ]


async def contents(redis: Redis, runs: RunStore, run_id: str) -> list[object]:
    return [await redis.dump(key) for key in runs.keys.of_run(run_id)]


async def test_the_end_is_written_at_once(writer: ClaimedRun, runs: RunStore, redis: Redis) -> None:
    await writer.commit("1.1.0.0:ab", RESULT)
    await writer.append_step(StepFinished(result=RESULT))
    final = RunFinished(
        run_id=writer.run.id,
        status=RunStatus.ERROR,
        error=RunError(type="no_answer", message="why", remedy="what"),
        usage=Usage(num_prompt_tokens=3),
        timings=Timings(steps={1: 0.5}, total=2.0),
    )
    await writer.finish(final)
    run = await runs.get(writer.run.id)
    assert (run.status, run.error, run.usage, run.timings) == (final.status, final.error, final.usage, final.timings)
    assert run.finished is not None
    kept = set(runs.keys.of_run(run.id)) - set(runs.keys.of_thread(run.id))  # no graph has left a checkpoint
    for key in kept:
        assert 0 < await redis.ttl(key) <= 30 * 24 * 3600


async def test_a_late_writer_is_refused_and_writes_nothing(writer: ClaimedRun, runs: RunStore, redis: Redis) -> None:
    await claimed(runs, writer.run, "w2")
    before = await contents(redis, runs, writer.run.id)
    for late in writes(writer):
        with pytest.raises(LeaseLostError) as caught:
            await late  # type: ignore[misc]
        assert (caught.value.run_id, caught.value.fence) == (writer.run.id, 1)
    assert await contents(redis, runs, writer.run.id) == before


async def test_terminal_is_final_for_its_own_writer_too(writer: ClaimedRun, runs: RunStore, redis: Redis) -> None:
    await writer.finish(RunFinished(run_id=writer.run.id, status=RunStatus.SUCCESS))
    before = await contents(redis, runs, writer.run.id)
    for late in writes(writer):
        with pytest.raises(RunEndedError):
            await late  # type: ignore[misc]
    assert await contents(redis, runs, writer.run.id) == before


async def test_a_run_that_is_gone_is_said_to_be(writer: ClaimedRun, runs: RunStore, redis: Redis) -> None:
    await runs.drop(writer.run.id)
    for late in writes(writer):
        with pytest.raises(RunNotFoundError):
            await late  # type: ignore[misc]
    assert await redis.keys() == []


async def test_a_call_that_is_sent_again_changes_nothing(
    writer: ClaimedRun, runs: RunStore, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client repeats a command when the connection breaks before the reply."""
    send = redis.execute_command

    async def twice(*command: object, **options: object) -> object:
        await send(*command, **options)
        return await send(*command, **options)

    monkeypatch.setattr(redis, "execute_command", twice)
    *all_but_the_end, end, check = writes(writer)
    for write in (*all_but_the_end, check):
        await write  # type: ignore[misc]
    assert await redis.xlen(runs.keys.events(writer.run.id)) == 4
    with pytest.raises(RunEndedError):
        await end  # type: ignore[misc]
    assert (await runs.get(writer.run.id)).status is RunStatus.SUCCESS


async def test_handing_back_uses_no_attempt_and_progress_gives_them_back(writer: ClaimedRun, runs: RunStore) -> None:
    await writer.hand_back(counts=False)
    run = await runs.get(writer.run.id)
    assert (run.status, run.worker, run.attempts, run.fence) == (RunStatus.PENDING, None, 0, 1)
    await claimed(runs, run)
    second = await claimed(runs, run)
    assert second.run.attempts == 2
    await second.commit("1.1.0.0:ab", RESULT)
    assert (await runs.get(run.id)).attempts == 0
