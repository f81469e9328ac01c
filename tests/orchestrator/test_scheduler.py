"""Each time of a schedule becomes one run, whatever dies in between. The clock is the test's."""

import asyncio
import logging
from datetime import datetime, timedelta

import pytest
from redis.asyncio import Redis

from orchestrator.agenda_worker import LEASE, AgendaWorker
from orchestrator.errors import RunRefusedError, ServiceStoppingError
from orchestrator.keys import Keys
from orchestrator.run import Run
from orchestrator.run_queue import RunQueue
from orchestrator.run_request import RunRequest
from orchestrator.run_store import RunStore
from orchestrator.schedule import Schedule, ScheduleChange
from orchestrator.schedule_store import ScheduleStore
from orchestrator.scheduler import Scheduler
from tests.orchestrator.records import a_run, claimed
from tests.orchestrator.scripted_experts import TWO_STEPS
from tests.orchestrator.test_schedule import MINUTE, NOW, a_schedule

pytestmark = pytest.mark.usefixtures("server")


class Services:
    """Services of one tenant, of which each `look` is that of another one; their runs wait in the queue."""

    def __init__(self, schedules: ScheduleStore, runs: RunStore, queue: RunQueue) -> None:
        self.schedules, self.runs, self.queue = schedules, runs, queue
        self.now = NOW
        self.asked: list[str] = []
        self.refusal: Exception | None = None

    async def start(self, request: RunRequest) -> Run:
        if self.refusal:
            raise self.refusal
        run = a_run(task=request.task or "")
        await self.runs.create(run)
        run_id, _ = await self.queue.put(run, request)
        if run_id != run.id:
            await self.runs.drop(run.id)
            return await self.runs.get(run_id)
        await self.runs.keep(run.id)
        assert request.idempotency_key
        self.asked.append(request.idempotency_key)
        return run

    async def dies_before_it_starts(self, request: RunRequest) -> Run:
        raise asyncio.CancelledError

    async def dies_after_it_has_started(self, request: RunRequest) -> Run:
        await self.start(request)
        raise asyncio.CancelledError

    async def look(self, start: object = None) -> None:
        scheduler = Scheduler(self.schedules, self.runs, start or self.start, lambda: self.now)  # pyright: ignore[reportArgumentType]
        worker = AgendaWorker(self.schedules.agenda, scheduler.attend, max_at_once=4, clock=lambda: self.now)
        while await worker.look():
            await worker.settle()

    async def num_runs(self) -> int:
        return len(await self.runs.newest(200))


@pytest.fixture
def services(redis: Redis, runs: RunStore, queue: RunQueue) -> Services:
    return Services(ScheduleStore(redis, Keys("default"), run_ttl_seconds=3600), runs, queue)


async def added(services: Services, **fields: object) -> Schedule:
    schedule = a_schedule(**fields)
    await services.schedules.add(schedule)
    return schedule


async def test_a_run_each_time(services: Services) -> None:
    schedule = await added(services)
    for minute in range(3):
        services.now = NOW + minute * MINUTE
        await services.look()
        await services.look()
        assert await services.num_runs() == minute
    kept = await services.schedules.get(schedule.id)
    newest = (await services.runs.newest(1))[0]
    assert (kept.last_run_id, kept.last_error, newest.task) == (newest.id, None, "how many?")
    assert kept.last_due == NOW.replace(second=0) + 2 * MINUTE


async def test_of_many_services_one_makes_the_run(services: Services) -> None:
    for _ in range(5):
        await added(services)
    services.now = NOW + MINUTE
    await asyncio.gather(*(services.look() for _ in range(6)))
    assert (await services.num_runs(), len(set(services.asked))) == (5, 5)


@pytest.mark.parametrize("when", ["dies_before_it_starts", "dies_after_it_has_started"])
async def test_a_service_that_dies_loses_no_run_and_none_is_made_twice(services: Services, when: str) -> None:
    schedule = await added(services)
    services.now = NOW + MINUTE
    await services.look(getattr(services, when))
    assert (await services.schedules.get(schedule.id)).last_due is None
    await services.look()
    assert await services.num_runs() == (when == "dies_after_it_has_started"), "it is claimed by the dead one"
    services.now += LEASE
    await services.look()
    kept = await services.schedules.get(schedule.id)
    assert await services.num_runs() == 1
    assert kept.last_run_id == (await services.runs.newest(1))[0].id


async def test_two_services_that_both_hold_it_make_one_run(services: Services) -> None:
    """A slow one, whose lease is over, goes on beside the next."""
    schedule = await added(services)
    services.now = NOW + MINUTE
    record = schedule.stored()
    schedulers = [Scheduler(services.schedules, services.runs, services.start, lambda: services.now) for _ in range(2)]
    await asyncio.gather(*(scheduler.attend(schedule.id, record) for scheduler in schedulers))
    assert await services.num_runs() == 1
    assert (await services.schedules.get(schedule.id)).next_due == NOW.replace(second=0) + 2 * MINUTE


@pytest.mark.parametrize(("missed", "count"), [("skip", 0), ("once", 1), ("all", 5)])
async def test_times_that_nobody_was_there_for(services: Services, missed: str, count: int) -> None:
    schedule = await added(services, cron="0 * * * *", missed=missed)
    services.now = NOW + timedelta(hours=5, minutes=30)
    await services.look()
    kept = await services.schedules.get(schedule.id)
    assert await services.num_runs() == count
    assert kept.next_due == NOW.replace(second=0) + timedelta(hours=6)
    assert kept.last_error == (None if count else "it was missed: no service was there")


async def test_no_run_while_the_last_one_goes_on(services: Services) -> None:
    schedule = await added(services, overlap="skip")
    for minute in (1, 2):
        services.now = NOW + minute * MINUTE
        await services.look()
    assert await services.num_runs() == 1
    kept = await services.schedules.get(schedule.id)
    assert kept.last_error == f"run {kept.last_run_id} had not ended"
    await services.runs.cancel(kept.last_run_id or "", "enough")
    services.now += MINUTE
    await services.look()
    assert await services.num_runs() == 2


async def test_a_last_run_that_is_gone_does_not_count_as_going_on(services: Services) -> None:
    schedule = await added(services, overlap="skip")
    await services.schedules.change(schedule.id, lambda kept: kept.model_copy(update={"last_run_id": "01a2"}))
    services.now = NOW + MINUTE
    await services.look()
    assert await services.num_runs() == 1


async def test_a_single_time_then_nothing_then_it_is_removed(services: Services) -> None:
    schedule = await added(services, at=NOW + MINUTE)
    for minute in (1, 2, 60):
        services.now = NOW + minute * MINUTE
        await services.look()
    assert await services.num_runs() == 1
    assert (await services.schedules.get(schedule.id)).ended == NOW + MINUTE
    services.now += MINUTE
    await services.look()
    assert await services.schedules.list() == []


async def test_what_cannot_become_a_run_is_told_and_the_next_time_comes(
    services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    schedule = await added(services)
    services.refusal = RunRefusedError("there is no expert 'law'", "push it")
    services.now = NOW + MINUTE
    with caplog.at_level(logging.WARNING):
        await services.look()
    assert f"schedule {schedule.id}" in caplog.text
    assert (await services.schedules.get(schedule.id)).last_error == "there is no expert 'law'"
    services.refusal = None
    services.now += MINUTE
    await services.look()
    assert (await services.num_runs(), (await services.schedules.get(schedule.id)).last_error) == (1, None)


async def test_a_service_that_stops_leaves_it_to_another(services: Services) -> None:
    await added(services)
    services.now = NOW + MINUTE
    services.refusal = ServiceStoppingError()
    await services.look()
    services.refusal = None
    services.now += LEASE
    await services.look()
    assert await services.num_runs() == 1


@pytest.mark.parametrize("change", [ScheduleChange(cron="0 0 * * *"), None])
async def test_it_may_be_changed_or_deleted_while_it_is_due(services: Services, change: ScheduleChange | None) -> None:
    schedule = await added(services)
    services.now = NOW + MINUTE

    async def meanwhile(request: RunRequest) -> Run:
        if change is not None:
            edited = change
            await services.schedules.change(schedule.id, lambda kept: kept.changed(edited, services.now))
        else:
            await services.schedules.delete(schedule.id)
        return await services.start(request)

    await services.look(meanwhile)
    assert await services.num_runs() == 1
    kept = await services.schedules.list()
    assert [(one.cron, one.next_due) for one in kept] == (
        [("0 0 * * *", datetime(2026, 1, 2, tzinfo=NOW.tzinfo))] if change else []
    )


async def test_a_run_beside_the_timetable(services: Services) -> None:
    """With no key of its own it is a run each time."""
    schedule = await added(services, request={"task": "now", "plan": TWO_STEPS})

    async def start(request: RunRequest) -> Run:
        assert request == schedule.request
        return await services.start(request.model_copy(update={"idempotency_key": str(len(services.asked))}))

    scheduler = Scheduler(services.schedules, services.runs, start, lambda: services.now)
    runs = [await scheduler.run_now(schedule.id) for _ in range(2)]
    kept = await services.schedules.get(schedule.id)
    assert (kept.last_run_id, kept.next_due) == (runs[1].id, schedule.next_due)
    assert runs[0].id != runs[1].id
    assert (await claimed(services.runs, runs[0])).run.task == "now"
