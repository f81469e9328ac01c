"""A run's record: written while it is live, final when it is terminal."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis

from graphs.events import StepResult
from graphs.plan import Plan, Step
from orchestrator.errors import RunEndedError, RunNotFoundError
from orchestrator.events import RunFinished
from orchestrator.run import RunError, RunStatus, Timings, Usage
from orchestrator.run_store import RunStore
from tests.orchestrator.conftest import check_keys
from tests.orchestrator.records import a_run

pytestmark = pytest.mark.usefixtures("server")

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PLAN = Plan(
    steps=(Step(id=1, text="how many?", expert="math", scores={"math": 0.9}), Step(id=2, text="#1", expert="x"))
)


async def test_a_record_comes_back_as_it_was(runs: RunStore) -> None:
    run = a_run()
    await runs.create(run)
    assert await runs.get(run.id) == run


async def test_plan_steps_and_answer_are_kept(runs: RunStore) -> None:
    run = a_run()
    await runs.create(run)
    await runs.start(run.id, NOW)
    await runs.save_plan(run.id, PLAN)
    results = {k: StepResult(id=k, status="success", result=str(k), token_ids=(k, 7)) for k in (11, 2, 1)}
    for result in results.values():
        await runs.save_step(run.id, result)
    await runs.save_answer(run.id, 'It is "2"')
    kept = await runs.get(run.id)
    assert (kept.status, kept.started, kept.plan, kept.answer) == (RunStatus.RUNNING, NOW, PLAN, 'It is "2"')
    assert list(kept.steps.items()) == [(1, results[1]), (2, results[2]), (11, results[11])]


async def test_the_end_is_written_at_once(runs: RunStore, redis: Redis) -> None:
    run = a_run()
    await runs.create(run)
    error = RunError(type="no_answer", message="why", remedy="what")
    final = RunFinished(
        run_id=run.id,
        status=RunStatus.ERROR,
        error=error,
        usage=Usage(num_prompt_tokens=3),
        timings=Timings(steps={1: 0.5}, total=2.0),
    )
    assert await runs.finish(final) is RunStatus.ERROR
    kept = await runs.get(run.id)
    assert (kept.status, kept.error, kept.usage, kept.timings) == (final.status, error, final.usage, final.timings)
    assert kept.finished is not None
    assert await redis.xlen(runs.keys.events(run.id)) == 1
    assert await runs.active() == []


async def test_terminal_is_final(runs: RunStore, redis: Redis) -> None:
    run = a_run()
    await runs.create(run)
    await runs.finish(RunFinished(run_id=run.id, status=RunStatus.CANCELLED))
    before = await runs.get(run.id)
    assert await runs.finish(RunFinished(run_id=run.id, status=RunStatus.SUCCESS)) is RunStatus.CANCELLED
    assert await runs.start(run.id, NOW) is RunStatus.CANCELLED
    for late in (
        runs.save_plan(run.id, PLAN),
        runs.save_step(run.id, StepResult(id=1, status="success")),
        runs.save_answer(run.id, "late"),
    ):
        with pytest.raises(RunEndedError):
            await late
    assert await runs.get(run.id) == before
    assert not await redis.exists(runs.keys.steps(run.id))
    assert await redis.xlen(runs.keys.events(run.id)) == 1


async def test_of_many_endings_one_wins(runs: RunStore) -> None:
    run = a_run()
    await runs.create(run)
    wanted = [RunStatus.SUCCESS, RunStatus.ERROR, RunStatus.CANCELLED] * 4
    seen = await asyncio.gather(*(runs.finish(RunFinished(run_id=run.id, status=status)) for status in wanted))
    assert len(set(seen)) == 1
    assert (await runs.get(run.id)).status is seen[0]


async def test_a_live_run_never_expires_and_an_ended_one_does(runs: RunStore, redis: Redis) -> None:
    run = a_run()
    await runs.create(run)
    await runs.save_step(run.id, StepResult(id=1, status="success"))
    assert await redis.ttl(runs.keys.run(run.id)) == -1
    await runs.finish(RunFinished(run_id=run.id, status=RunStatus.SUCCESS))
    for key in (runs.keys.run(run.id), runs.keys.steps(run.id), runs.keys.events(run.id)):
        assert 0 < await redis.ttl(key) <= 30 * 24 * 3600


async def test_the_check_of_keys_sees_a_stray_key_and_a_missing_ttl(runs: RunStore, redis: Redis) -> None:
    run = a_run()
    await runs.create(run)
    await runs.finish(RunFinished(run_id=run.id, status=RunStatus.SUCCESS))
    await redis.persist(runs.keys.events(run.id))
    with pytest.raises(AssertionError, match="finished"):
        await check_keys(redis)
    await redis.expire(runs.keys.events(run.id), 60)
    await redis.set("stray", "1")
    with pytest.raises(AssertionError, match="stray"):
        await check_keys(redis)
    await redis.delete("stray")


async def test_the_newest_come_first(runs: RunStore) -> None:
    made = [a_run(f"task {k}").model_copy(update={"created": NOW + timedelta(seconds=k)}) for k in range(5)]
    for run in made:
        await runs.create(run)
    assert [run.task for run in await runs.newest(3)] == ["task 4", "task 3", "task 2"]
    assert len(await runs.newest(50)) == 5


async def test_an_expired_run_leaves_the_index(runs: RunStore, redis: Redis) -> None:
    made = [a_run(f"task {k}").model_copy(update={"created": NOW + timedelta(seconds=k)}) for k in range(3)]
    for run in made:
        await runs.create(run)
    await redis.delete(runs.keys.run(made[1].id))
    assert [run.task for run in await runs.newest(2)] == ["task 2", "task 0"]
    assert await redis.zcard(runs.keys.runs) == 2


@pytest.mark.parametrize("run_id", ["01a2", "", "}:x{", "*"])
async def test_a_run_that_is_not_there(runs: RunStore, run_id: str) -> None:
    with pytest.raises(RunNotFoundError) as caught:
        await runs.get(run_id)
    assert "ccoe runs list" in caught.value.remedy
    with pytest.raises(RunNotFoundError):
        await runs.finish(RunFinished(run_id=run_id, status=RunStatus.ERROR))


async def test_cancel_ends_a_run_once(runs: RunStore) -> None:
    run = a_run()
    await runs.create(run)
    cancelled = await runs.cancel(run.id, "no longer needed")
    assert cancelled.status is RunStatus.CANCELLED
    assert cancelled.error is not None and cancelled.error.message == "no longer needed"
    with pytest.raises(RunEndedError):
        await runs.cancel(run.id, "again")
