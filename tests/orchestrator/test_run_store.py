"""A run's record: written while it is live, final when it is terminal."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis

from graphs.events import Answered, Planned, StepFinished, StepResult
from graphs.plan import Plan, Step
from orchestrator.errors import RunEndedError, RunNotFoundError, RunUnreadableError
from orchestrator.events import RunFinished
from orchestrator.run import Run, RunStatus
from orchestrator.run_store import RunStore
from tests.orchestrator.conftest import check_keys
from tests.orchestrator.records import a_run, claimed, kept

pytestmark = pytest.mark.usefixtures("server")

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PLAN = Plan(
    steps=(Step(id=1, text="how many?", expert="math", scores={"math": 0.9}), Step(id=2, text="#1", expert="x"))
)


async def listed(runs: RunStore, redis: Redis, run: Run) -> None:
    await kept(runs, run)
    await redis.zadd(runs.keys.runs, {run.id: run.created.timestamp()})


async def test_a_record_comes_back_as_it_was(runs: RunStore) -> None:
    run = await kept(runs, a_run(priority="high", concurrency={"key": "shop", "limit": 2}))
    assert await runs.get(run.id) == run


async def test_plan_steps_and_answer_are_kept(runs: RunStore) -> None:
    writer = await claimed(runs, await kept(runs, a_run()))
    results = {k: StepResult(id=k, status="success", result=str(k), token_ids=(k, 7)) for k in (11, 2, 1)}
    await writer.append_plan(Planned(plan=PLAN))
    for result in results.values():
        writer.hold_step(StepFinished(result=result))
        await writer.write_held()
    await writer.append_answer(Answered(answer='It is "2"', source="joiner"))
    run = await runs.get(writer.run.id)
    assert (run.status, run.worker, run.plan, run.answer) == (RunStatus.RUNNING, "w1", PLAN, 'It is "2"')
    assert run.started is not None
    assert list(run.steps.items()) == [(1, results[1]), (2, results[2]), (11, results[11])]


async def test_each_claim_has_a_higher_fence(runs: RunStore) -> None:
    run = await kept(runs, a_run())
    claims = await asyncio.gather(*(claimed(runs, run, f"w{k}") for k in range(5)))
    assert sorted(claim.run.fence for claim in claims) == [1, 2, 3, 4, 5]
    assert (await runs.get(run.id)).attempts == 5
    first = (await runs.get(run.id)).started
    await claimed(runs, run)
    assert (await runs.get(run.id)).started == first


async def test_a_run_that_is_not_listed_is_left_to_expire(runs: RunStore, redis: Redis) -> None:
    """Whoever dies between the record and the queue leaves nothing for ever."""
    run = a_run()
    await runs.create(run, {"1.1.0.0:ab": "{}"})
    assert await redis.ttl(runs.keys.run(run.id)) > 0
    assert await redis.ttl(runs.keys.memo(run.id)) > 0
    await claimed(runs, run)  # it was listed after all
    assert await redis.ttl(runs.keys.run(run.id)) == await redis.ttl(runs.keys.memo(run.id)) == -1
    await runs.drop(run.id)
    assert await redis.keys() == []


async def test_the_check_of_keys_sees_a_stray_key_and_a_missing_ttl(runs: RunStore, redis: Redis) -> None:
    run = await kept(runs, a_run())
    await runs.cancel(run.id, "no longer needed")
    await redis.persist(runs.keys.events(run.id))
    with pytest.raises(AssertionError, match="traces"):
        await check_keys(redis)
    await redis.expire(runs.keys.events(run.id), 60)
    await redis.set("stray", "1")
    with pytest.raises(AssertionError, match="stray"):
        await check_keys(redis)
    await redis.delete("stray")


async def test_the_newest_come_first(runs: RunStore, redis: Redis) -> None:
    made = [a_run(f"task {k}").model_copy(update={"created": NOW + timedelta(seconds=k)}) for k in range(5)]
    for run in made:
        await listed(runs, redis, run)
    assert [run.task for run in await runs.newest(3)] == ["task 4", "task 3", "task 2"]
    assert len(await runs.newest(50)) == 5


async def test_an_expired_run_leaves_the_index(runs: RunStore, redis: Redis) -> None:
    made = [a_run(f"task {k}").model_copy(update={"created": NOW + timedelta(seconds=k)}) for k in range(3)]
    for run in made:
        await listed(runs, redis, run)
    await redis.delete(runs.keys.run(made[1].id))
    assert [run.task for run in await runs.newest(2)] == ["task 2", "task 0"]
    assert await redis.zcard(runs.keys.runs) == 2


@pytest.mark.parametrize("run_id", ["01a2", "", "}:x{", "*"])
async def test_a_run_that_is_not_there(runs: RunStore, run_id: str) -> None:
    with pytest.raises(RunNotFoundError) as caught:
        await runs.get(run_id)
    assert "ccoe runs list" in caught.value.remedy
    with pytest.raises(RunNotFoundError):
        await runs.cancel(run_id, "no longer needed")


async def test_a_record_of_another_version_shows_no_secret(runs: RunStore, redis: Redis) -> None:
    """What is wrong with it is told to whoever asks for the run, and ends up in its error."""
    run = await kept(runs, a_run())
    await redis.hset(runs.keys.run(run.id), "webhook", json.dumps({"url": "https://example.org/", "secret": "v2_x7Yq"}))
    with pytest.raises(RunUnreadableError, match=r"webhook\.secret") as caught:
        await runs.get(run.id)
    assert "x7Yq" not in caught.value.message


async def test_cancel_is_a_record_and_final(runs: RunStore, redis: Redis) -> None:
    """It holds with no worker listening; the figures of the steps so far are in the record."""
    run = await kept(runs, a_run())
    writer = await claimed(runs, run)
    writer.hold_step(StepFinished(result=StepResult(id=1, status="success", num_output_tokens=4, seconds=0.5)))
    await writer.write_held()
    cancelled = await runs.cancel(run.id, "no longer needed")
    assert cancelled.status is RunStatus.CANCELLED
    assert cancelled.error is not None and cancelled.error.message == "no longer needed"
    assert (cancelled.usage.num_output_tokens, cancelled.timings.steps) == (4, {1: 0.5})
    assert await redis.xlen(runs.keys.events(run.id)) == 2
    with pytest.raises(RunEndedError):
        await runs.cancel(run.id, "again")
    assert await runs.claim(run.id, "w2") is None
    assert await runs.get(run.id) == cancelled


async def test_of_many_endings_one_wins(runs: RunStore) -> None:
    run = await kept(runs, a_run())
    writer = await claimed(runs, run)
    endings = [writer.finish(RunFinished(run_id=run.id, status=RunStatus.SUCCESS)) for _ in range(3)]
    cancels = [runs.cancel(run.id, "no longer needed") for _ in range(3)]
    seen = await asyncio.gather(*endings, *cancels, return_exceptions=True)
    assert sum(isinstance(error, RunEndedError) for error in seen) == 5
