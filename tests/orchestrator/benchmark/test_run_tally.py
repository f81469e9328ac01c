"""Exactly once is read from records and traces, not believed."""

from dataclasses import replace

import pytest
from redis.asyncio import Redis

from graphs.benchmark.random_plans import chained_plan, random_plans, seconds_by_text
from graphs.events import StepStarted
from orchestrator.benchmark.queued_runs import QueuedRuns
from orchestrator.benchmark.run_tally import RunTally
from orchestrator.benchmark.served_plans import ServedPlans
from orchestrator.events import RunFinished
from orchestrator.run import RunStatus
from orchestrator.settings import Settings

RIGHT = RunTally(
    num_runs=2,
    num_steps=8,
    seconds=1.0,
    num_at_once=2,
    num_successes=2,
    num_claimed_again=0,
    num_done_again=0,
    num_left_out=0,
)


async def test_what_a_service_runs_is_right(redis: Redis, settings: Settings) -> None:
    plans = random_plans(2)
    allowed = settings.model_copy(update={"max_steps": 30})
    async with ServedPlans.open(redis, allowed, seconds_by_text(plans)) as served:
        for timed in plans:
            await served.ways.ours(timed)
        found = await served.tally()
    assert found.is_right and found.num_steps == sum(len(timed.plan.steps) for timed in plans)
    assert found.num_at_once == 1


async def test_what_was_begun_twice_and_what_never_is_counted(redis: Redis, settings: Settings) -> None:
    queued = await QueuedRuns.put(redis, settings, [chained_plan(3).plan])
    (run_id,) = queued.ids
    for worker in ("w1", "w2"):
        claimed = await queued.store.claim(run_id, worker)
        assert claimed is not None
        await claimed.append(StepStarted(step=1, expert="general", version="1", text="link 1"))
    await queued.store.end(RunFinished(run_id=run_id, status=RunStatus.ERROR))

    found = await queued.tally()

    assert (found.num_claimed_again, found.num_done_again, found.num_left_out) == (1, 1, 2)
    assert (found.num_successes, found.num_wrong, found.is_right) == (0, 5, False)


@pytest.mark.parametrize(
    "wrong", [{"num_successes": 1}, {"num_claimed_again": 1}, {"num_done_again": 1}, {"num_left_out": 1}]
)
def test_what_is_not_exactly_once_is_not_right(wrong: dict[str, int]) -> None:
    assert RIGHT.is_right
    assert not replace(RIGHT, **wrong).is_right
