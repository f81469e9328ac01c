"""Schedules stay until they are deleted; one that is over goes with its run."""

import asyncio
import logging
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from orchestrator.keys import Keys
from orchestrator.schedule import Schedule, ScheduleChange
from orchestrator.schedule_errors import ScheduleNotFoundError
from orchestrator.schedule_store import ScheduleStore
from tests.orchestrator.test_schedule import MINUTE, NOW, a_schedule

pytestmark = pytest.mark.usefixtures("server")


@pytest.fixture
def schedules(redis: Redis) -> ScheduleStore:
    return ScheduleStore(redis, Keys("default"), run_ttl_seconds=3600)


async def is_due(schedules: ScheduleStore, at: timedelta) -> bool:
    return bool(await schedules.agenda.claim(NOW + at, NOW + at, 1))


async def test_a_schedule_is_kept_listed_changed_and_deleted(schedules: ScheduleStore) -> None:
    first, second = a_schedule(name="first"), a_schedule(name="second").model_copy(update={"created": NOW + MINUTE})
    for schedule in (second, first):
        await schedules.add(schedule)
    assert await schedules.list() == [first, second]
    assert await schedules.get(first.id) == first
    paused = await schedules.change(first.id, Schedule.paused)
    assert (await schedules.get(first.id)) == paused
    assert await schedules.delete(second.id) == second
    assert await schedules.list() == [paused]
    for attempt in (schedules.get(second.id), schedules.delete(second.id), schedules.change("x", Schedule.paused)):
        with pytest.raises(ScheduleNotFoundError):
            await attempt


async def test_when_it_is_looked_at(schedules: ScheduleStore) -> None:
    schedule = a_schedule()
    await schedules.add(schedule)
    assert not await is_due(schedules, timedelta(seconds=29))
    assert await is_due(schedules, timedelta(seconds=30))
    await schedules.change(schedule.id, Schedule.paused)
    assert not await is_due(schedules, 365 * 24 * 60 * MINUTE)
    over = a_schedule(at=NOW + MINUTE).attended(NOW + MINUTE, NOW + MINUTE, None, None)
    await schedules.change(schedule.id, lambda _: over.model_copy(update={"id": schedule.id}))
    assert not await is_due(schedules, 60 * MINUTE)
    assert await is_due(schedules, 61 * MINUTE), "then it is removed"


async def test_changes_at_the_same_time_are_all_kept(schedules: ScheduleStore) -> None:
    schedule = a_schedule()
    await schedules.add(schedule)
    changes = (
        ScheduleChange(name="other"),
        ScheduleChange(cron="0 0 * * *"),
        ScheduleChange.model_validate({"missed": "all"}),
    )
    await asyncio.gather(*(schedules.change(schedule.id, lambda kept, c=c: kept.changed(c, NOW)) for c in changes))
    kept = await schedules.get(schedule.id)
    assert (kept.name, kept.cron, kept.missed) == ("other", "0 0 * * *", "all")


async def test_what_another_version_has_written_is_left_out(
    schedules: ScheduleStore, caplog: pytest.LogCaptureFixture
) -> None:
    await schedules.agenda.add("x", '{"id": "x", "cron": "whsec_secret"}', None)
    await schedules.add(a_schedule())
    with caplog.at_level(logging.WARNING):
        assert len(await schedules.list()) == 1
    assert "cannot be read by this version" in caplog.text
    assert "whsec_secret" not in caplog.text
