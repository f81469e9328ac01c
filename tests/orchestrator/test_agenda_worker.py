"""What is due is attended to, several records at once."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis

from orchestrator.agenda import Agenda
from orchestrator.agenda_worker import LEASE, AgendaWorker
from orchestrator.errors import RedisUnavailableError
from orchestrator.keys import Keys
from tests.orchestrator.conditions import until

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def agenda(redis: Redis) -> Agenda:
    return Agenda(redis, Keys("default").webhooks)


async def test_one_that_hangs_does_not_hold_up_the_others(agenda: Agenda) -> None:
    seen: list[str] = []

    async def attend(id: str, record: str) -> None:
        seen.append(id)
        if id == "hangs":
            await asyncio.Event().wait()

    for id in ("hangs", "a", "b", "c", "d"):
        await agenda.add(id, "record", NOW)
    working = asyncio.create_task(AgendaWorker(agenda, attend, max_at_once=2).work())

    async def all_were_seen() -> bool:
        return len(seen) == 5

    await until(all_were_seen, "every record is attended to")
    working.cancel()
    await asyncio.wait({working})
    assert working.cancelled()


@pytest.mark.parametrize("error", [RedisUnavailableError("gone"), ZeroDivisionError("a fault")])
async def test_what_failed_is_due_again_after_its_lease(
    agenda: Agenda, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    now = NOW
    seen: list[str] = []

    async def attend(id: str, record: str) -> None:
        seen.append(id)
        if len(seen) == 1:
            raise error
        await agenda.replace(id, record, None)

    worker = AgendaWorker(agenda, attend, max_at_once=2, clock=lambda: now)
    await agenda.add("a", "record", now)
    with caplog.at_level(logging.WARNING):
        assert await worker.look()
        await worker.settle()
    assert str(error) in caplog.text
    now += LEASE - timedelta(seconds=1)
    assert not await worker.look()
    now += timedelta(seconds=1)
    assert await worker.look()
    await worker.settle()
    assert seen == ["a", "a"]
    assert await agenda.all() == []
