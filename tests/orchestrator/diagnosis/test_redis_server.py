"""Faults of Redis' configuration, as a real server tells them."""

import pytest
from redis.asyncio import Redis

from orchestrator.diagnosis.redis_server import faults, redis_info
from tests.orchestrator.conditions import until


async def test_the_embedded_valkey_has_none(redis: Redis) -> None:
    assert faults(await redis_info(redis)) == []


@pytest.mark.parametrize(
    ("name", "value", "good", "said"),
    [
        ("maxmemory-policy", "allkeys-lru", "noeviction", "may be evicted"),
        ("appendonly", "no", "yes", "a crash loses runs"),
        ("maxmemory", "1", "0", "of its memory are used"),
    ],
)
async def test_a_wrong_configuration(redis: Redis, name: str, value: str, good: str, said: str) -> None:
    await redis.config_set(name, value)
    (found,) = faults(await redis_info(redis))
    assert said in found.message
    assert found.remedy
    await redis.config_set(name, good)

    async def is_written() -> bool:
        return not (await redis_info(redis)).get("aof_rewrite_in_progress")

    await until(is_written, "the log is begun anew; before, Valkey does not stop")


@pytest.mark.parametrize(("version", "is_old"), [("6.2.14", True), ("7.0.0", False), ("8.2.1", False)])
def test_the_version(version: str, is_old: bool) -> None:
    assert any("too old" in found.message for found in faults({"redis_version": version})) == is_old


def test_a_replica_and_a_full_disk() -> None:
    found = faults({"redis_version": "7.2.4", "role": "slave", "aof_last_write_status": "err"})
    assert [finding.message for finding in found] == ["the last write to its disk failed", "it is a read-only replica"]
