"""What is wrong with Redis is said in one sentence."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from orchestrator.embedded_valkey import EmbeddedValkey
from orchestrator.errors import RedisUnavailableError
from orchestrator.redis_connection import redis_connection
from orchestrator.settings import Settings, read_settings
from tests.orchestrator.conditions import until


async def test_a_redis_by_url(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path / "elsewhere") as valkey:
        async with redis_connection(read_settings(redis_url=f"unix://{valkey.socket}")) as redis:
            await redis.set("a", "1")
            assert await redis.get("a") == "1"
        assert not (tmp_path / "data").exists()


async def test_many_who_wait_take_no_connection_from_others(settings: Settings) -> None:
    async with redis_connection(settings) as redis, asyncio.TaskGroup() as group:

        async def wait() -> str:
            found: Any = await redis.execute_command("BLPOP", "nothing", 20)
            return str(found[1])

        waiting = [group.create_task(wait()) for _ in range(150)]

        async def all_wait() -> bool:
            return int((await redis.info("clients"))["blocked_clients"]) == len(waiting)

        await until(all_wait, "every one has its connection")
        assert await redis.rpush("nothing", *range(len(waiting)))
    assert len({task.result() for task in waiting}) == len(waiting)


async def test_nobody_listens() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        settings = read_settings(redis_url=f"redis://127.0.0.1:{bound.getsockname()[1]}")
        with pytest.raises(RedisUnavailableError, match="not available") as caught:
            async with redis_connection(settings):
                pass
    assert "REDIS_URL" in caught.value.remedy


async def test_a_wrong_password(tmp_path: Path) -> None:
    valkey = EmbeddedValkey(tmp_path / "elsewhere")
    async with valkey, Redis(unix_socket_path=str(valkey.socket)) as redis:
        await redis.config_set("requirepass", "right")
        for url in (f"unix://:wrong@{valkey.socket}", f"unix://{valkey.socket}"):
            with pytest.raises(RedisUnavailableError, match="refuses the password") as caught:
                async with redis_connection(read_settings(redis_url=url)):
                    pass
            assert "password" in caught.value.remedy
        await redis.config_set("requirepass", "")
