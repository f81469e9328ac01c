"""Records with a time at which somebody has to look at them."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis

from orchestrator.agenda import Agenda
from orchestrator.keys import Keys

pytestmark = pytest.mark.usefixtures("server")

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LEASE = timedelta(seconds=60)


@pytest.fixture
def agenda(redis: Redis) -> Agenda:
    return Agenda(redis, Keys("default").schedules)


async def claimed(agenda: Agenda, now: datetime = NOW, count: int = 10) -> list[tuple[str, str]]:
    return await agenda.claim(now, now + LEASE, count)


async def test_what_is_due_is_claimed_by_one_of_many(agenda: Agenda) -> None:
    for place in range(20):
        assert await agenda.add(f"id{place}", f"record {place}", NOW)
    await agenda.add("later", "record", NOW + timedelta(seconds=1))
    found = await asyncio.gather(*(claimed(agenda, count=3) for _ in range(10)))
    ids = [id for part in found for id, _ in part]
    assert sorted(ids) == sorted(f"id{place}" for place in range(20))


async def test_a_claim_that_comes_to_nothing_ends_with_its_lease(agenda: Agenda) -> None:
    await agenda.add("a", "record", NOW)
    assert await claimed(agenda) == [("a", "record")]
    assert await claimed(agenda, NOW + LEASE - timedelta(milliseconds=1)) == []
    assert await claimed(agenda, NOW + LEASE) == [("a", "record")]


async def test_a_record_is_added_once(agenda: Agenda) -> None:
    assert await agenda.add("a", "first", None)
    assert not await agenda.add("a", "second", NOW)
    assert (await agenda.get("a"), await claimed(agenda)) == ("first", [])


async def test_only_the_record_that_was_read_is_replaced(agenda: Agenda) -> None:
    await agenda.add("a", "first", NOW)
    assert await agenda.replace("a", "first", "second", NOW + LEASE)
    assert not await agenda.replace("a", "first", "third", NOW)
    assert await agenda.replace("a", "first", "second", NOW + LEASE), "the reply was lost and the call repeated"
    assert (await agenda.all(), await claimed(agenda)) == (["second"], [])
    assert await agenda.replace("a", "second", "resting")
    assert await claimed(agenda, NOW + 2 * LEASE) == []
    assert await agenda.replace("a", "resting", None)
    assert await agenda.replace("a", "resting", None)
    assert (await agenda.all(), await agenda.get("a")) == ([], None)


async def test_the_latest_come_first(agenda: Agenda) -> None:
    for place in range(5):
        await agenda.add(f"id{place}", str(place), NOW + place * LEASE)
    assert await agenda.latest(3) == ["4", "3", "2"]
    assert await agenda.latest(100) == ["4", "3", "2", "1", "0"]


async def test_nothing_is_listed_of_nothing(agenda: Agenda) -> None:
    assert (await agenda.latest(5), await agenda.all(), await claimed(agenda)) == ([], [], [])
