"""Changes of a service's experts, each with its entry in the audit."""

import logging
from pathlib import Path

import pytest
from redis.asyncio import Redis

from experts.errors import UnknownExpert
from orchestrator.errors import RedisUnavailableError
from orchestrator.expert_audit import ExpertAudit, ExpertChange
from orchestrator.expert_lifecycle import ExpertLifecycle
from orchestrator.keys import Keys
from orchestrator.service import Service
from tests.orchestrator.scripted_experts import ScriptedExperts

BOTANY = Path("somewhere/botany")


class _NoAudit(ExpertAudit):
    async def check(self) -> None:
        raise RedisUnavailableError("it is gone")


class _AuditThatGoesAway(ExpertAudit):
    async def append(self, change: ExpertChange) -> None:
        raise RedisUnavailableError("it is gone")


async def test_every_change_is_audited(service: Service) -> None:
    await service.lifecycle.push(BOTANY, by="ann")
    await service.lifecycle.rollback("botany", "p7", by="bob")
    await service.lifecycle.pop("botany", by="ann")

    changes = [(c.by, c.action, c.name, c.version, c.previous) for c in await service.lifecycle.audit.newest()]
    assert changes == [
        ("ann", "pop", "botany", "p7", "p7"),
        ("bob", "rollback", "botany", "p7", "p1"),
        ("ann", "push", "botany", "p1", None),
    ]


async def test_what_was_refused_is_not_audited(service: Service) -> None:
    with pytest.raises(UnknownExpert):
        await service.lifecycle.pop("botany", by="ann")
    assert await service.lifecycle.audit.newest() == []


async def test_without_an_audit_nothing_is_changed(redis: Redis) -> None:
    experts = ScriptedExperts()
    with pytest.raises(RedisUnavailableError):
        await ExpertLifecycle(experts, _NoAudit(redis, Keys("default"))).push(BOTANY, by="ann")
    assert "botany" not in {profile.name for profile in experts.profiles()}


async def test_an_audit_that_goes_away_is_told_in_the_log(redis: Redis, caplog: pytest.LogCaptureFixture) -> None:
    experts = ScriptedExperts()
    with caplog.at_level(logging.ERROR):
        lifecycle = ExpertLifecycle(experts, _AuditThatGoesAway(redis, Keys("default")))
        profile = await lifecycle.push(BOTANY, by="ann")
    assert profile in experts.profiles()
    assert "not audited: push of botany p1" in caplog.text
