"""The audit of experts in a real Valkey."""

from datetime import UTC, datetime

import pytest
from redis.asyncio import Redis

from orchestrator import expert_audit
from orchestrator.expert_audit import ExpertAudit, ExpertChange
from orchestrator.keys import Keys

pytestmark = pytest.mark.usefixtures("server")


async def test_the_newest_change_comes_first(redis: Redis) -> None:
    audit, before = ExpertAudit(redis, Keys("default")), datetime.now(UTC)
    await audit.append(ExpertChange.now("push", "law", "v2", "v1", "ann"))
    await audit.append(ExpertChange.now("pop", "law", "v2", "v2", "bob"))

    newest, oldest = await audit.newest()
    assert (newest.action, newest.version) == ("pop", "v2")
    assert oldest == ExpertChange(at=oldest.at, action="push", name="law", version="v2", previous="v1", by="ann")
    assert before <= oldest.at <= newest.at <= datetime.now(UTC)
    assert await audit.newest(1) == [newest]
    assert await ExpertAudit(redis, Keys("other")).newest() == []


async def test_the_oldest_changes_leave(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expert_audit, "_MAX_ENTRIES", 3)
    audit = ExpertAudit(redis, Keys("default"))
    for number in range(5):
        await audit.append(ExpertChange.now("push", "law", f"v{number}", None, "ann"))
    assert [change.version for change in await audit.newest()] == ["v4", "v3", "v2"]


async def test_a_change_from_before_callers_were_known_is_read(redis: Redis) -> None:
    keys = Keys("default")
    entry = '{"at": "2026-01-01T00:00:00Z", "action": "pop", "name": "law", "version": "v1", "previous": "v1"}'
    await redis.xadd(keys.experts_audit, {"change": entry})
    assert [change.by for change in await ExpertAudit(redis, keys).newest()] == [None]
