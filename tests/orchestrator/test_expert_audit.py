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
    await audit.append("push", "law", "v2", "v1")
    await audit.append("pop", "law", "v2", "v2")

    newest, oldest = await audit.newest()
    assert (newest.action, newest.version) == ("pop", "v2")
    assert oldest == ExpertChange(at=oldest.at, action="push", name="law", version="v2", previous="v1")
    assert before <= oldest.at <= newest.at <= datetime.now(UTC)
    assert await audit.newest(1) == [newest]
    assert await ExpertAudit(redis, Keys("other")).newest() == []


async def test_the_oldest_changes_leave(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expert_audit, "_MAX_ENTRIES", 3)
    audit = ExpertAudit(redis, Keys("default"))
    for number in range(5):
        await audit.append("push", "law", f"v{number}", None)
    assert [change.version for change in await audit.newest()] == ["v4", "v3", "v2"]
