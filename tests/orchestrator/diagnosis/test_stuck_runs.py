"""Runs that nobody will ever finish are found, and put into their queue; all others are left alone."""

import asyncio
import json

import pytest
from redis.asyncio import Redis

from orchestrator.diagnosis.finding import Finding
from orchestrator.diagnosis.stuck_runs import StuckRuns
from orchestrator.events import RunFinished
from orchestrator.key_space import survey
from orchestrator.run import Concurrency, Run, RunStatus, Scheduling
from orchestrator.run_queue import RunQueue
from orchestrator.run_store import RunStore
from orchestrator.service import Service
from tests.orchestrator.records import a_run, claimed, kept
from tests.orchestrator.scripted_experts import TWO_STEPS

pytestmark = pytest.mark.usefixtures("server")


@pytest.fixture
def stuck(redis: Redis, runs: RunStore, queue: RunQueue) -> StuckRuns:
    return StuckRuns(redis, runs, queue)


async def found(redis: Redis, runs: RunStore, stuck: StuckRuns) -> list[Finding]:
    return await stuck.find(await survey(redis, runs.keys))


async def test_runs_on_their_way_are_not_stuck(redis: Redis, runs: RunStore, queue: RunQueue, stuck: StuckRuns) -> None:
    async def put(scheduling: Scheduling) -> Run:
        run = await kept(runs, a_run(concurrency=scheduling.concurrency))
        await queue.put(run, scheduling)
        return run

    one_at_once = Scheduling(concurrency=Concurrency(key="a"))
    taken, _ = await put(one_at_once), await put(one_at_once)
    assert [lease.run_id for lease in await queue.take(2, [])] == [taken.id]
    await claimed(runs, taken)
    await put(Scheduling())
    await put(Scheduling(delay_seconds=60))
    ended = await kept(runs, a_run())
    await (await claimed(runs, ended)).finish(RunFinished(run_id=ended.id, status=RunStatus.SUCCESS))
    await runs.create(refused := a_run("refused while it was submitted"))
    assert await found(redis, runs, stuck) == []
    await runs.drop(refused.id)


async def test_a_run_that_was_parked_or_set_aside_after_the_first_look_is_not_stuck(
    redis: Redis, runs: RunStore, queue: RunQueue, stuck: StuckRuns
) -> None:
    one_at_once = Scheduling(concurrency=Concurrency(key="a"))
    first, parked, aside = [await kept(runs, a_run(concurrency=one_at_once.concurrency)) for _ in range(3)]
    space = await survey(redis, runs.keys)
    for run in (first, parked):
        await queue.put(run, one_at_once)
    assert [lease.run_id for lease in await queue.take(2, [])] == [first.id]
    await queue.put(aside.model_copy(update={"concurrency": None}), Scheduling())
    [lease] = await queue.take(1, [])
    await queue.set_aside(lease)
    assert (await queue.aside(), lease.run_id) == ([aside.id], aside.id)
    assert await stuck.find(space) == []


async def test_a_run_whose_entry_is_lost_is_put_into_its_queue_and_ends(service: Service, redis: Redis) -> None:
    runs = service.runs
    pending = await kept(runs, a_run("one", is_plan_given=True, plan={"steps": TWO_STEPS}))
    running = await kept(runs, a_run("two", is_plan_given=True, plan={"steps": TWO_STEPS}))
    await claimed(runs, running)
    queue = RunQueue(redis, runs.keys, "doctor", 3600)
    findings = await found(redis, runs, StuckRuns(redis, runs, queue))
    assert {finding.message for finding in findings} == {
        f"run {pending.id} is pending in no queue",
        f"run {running.id} is running without a lease",
    }
    for finding in findings:
        assert finding.fix is not None
        await finding.fix()
    async with asyncio.timeout(20):
        assert {(await service.wait(run.id)).status for run in (pending, running)} == {RunStatus.SUCCESS}
    assert await found(redis, runs, StuckRuns(redis, runs, queue)) == []


@pytest.mark.parametrize("questions", [{}, {"question:1": {"given": {"by": "ann"}}}])
async def test_a_run_that_waits_for_nobody(
    redis: Redis, runs: RunStore, stuck: StuckRuns, questions: dict[str, object]
) -> None:
    run = await kept(runs, a_run())
    fields = {"status": RunStatus.INTERRUPTED.value, **questions}
    await redis.hset(runs.keys.run(run.id), mapping={name: json.dumps(value) for name, value in fields.items()})
    (finding,) = await found(redis, runs, stuck)
    assert (finding.fix, "no open question" in finding.message) == (None, True)
    await redis.hset(runs.keys.run(run.id), "question:2", json.dumps({"given": None}))
    assert await found(redis, runs, stuck) == []


async def test_a_record_that_cannot_be_read_is_told(redis: Redis, runs: RunStore, stuck: StuckRuns) -> None:
    run = await kept(runs, a_run())
    await redis.hset(runs.keys.run(run.id), "colour", '"blue"')
    (finding,) = await found(redis, runs, stuck)
    assert "cannot be read" in finding.message
