"""One Valkey per data directory: started by the first user, stopped by the last, adopted if it was left behind."""

import asyncio
import os
import signal
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from orchestrator.embedded_valkey import EmbeddedValkey
from orchestrator.errors import ValkeyFailedError
from orchestrator.file_lock import FileLock
from tests.orchestrator.conditions import until
from tests.orchestrator.processes import line_with, process


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


async def server_pid(valkey: EmbeddedValkey) -> int:
    async with Redis(unix_socket_path=str(valkey.socket)) as client:
        return int((await client.info("server"))["process_id"])


def is_running(data_dir: Path) -> bool:
    """The server holds its lock exactly as long as it lives."""
    lock = FileLock(data_dir / "valkey" / "server.lock")
    try:
        return not lock.try_acquire()
    finally:
        lock.release()


async def test_it_keeps_every_write_and_opens_no_port(data_dir: Path) -> None:
    async with EmbeddedValkey(data_dir) as valkey, Redis(unix_socket_path=str(valkey.socket)) as client:
        config = {
            name: (await client.config_get(name))[name]
            for name in ("port", "appendonly", "appendfsync", "maxmemory-policy")
        }
        assert config == {"port": "0", "appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
        assert valkey.socket.parent.stat().st_mode & 0o077 == 0
        assert os.getsid(await server_pid(valkey)) != os.getsid(0)


async def test_data_is_there_after_a_restart(data_dir: Path) -> None:
    async with EmbeddedValkey(data_dir) as valkey, Redis(unix_socket_path=str(valkey.socket)) as client:
        await client.set("a", "1")
    assert not is_running(data_dir)
    async with EmbeddedValkey(data_dir) as valkey, Redis(unix_socket_path=str(valkey.socket)) as client:
        assert await client.get("a") == b"1"


async def test_the_last_user_out_stops_it(data_dir: Path) -> None:
    async with EmbeddedValkey(data_dir) as first:
        async with EmbeddedValkey(data_dir) as second:
            assert await server_pid(first) == await server_pid(second)
        assert is_running(data_dir)
    assert not is_running(data_dir)


async def test_many_users_at_once_start_one_server(data_dir: Path) -> None:
    users = [EmbeddedValkey(data_dir) for _ in range(8)]
    await asyncio.gather(*(user.__aenter__() for user in users))
    assert len({await server_pid(user) for user in users}) == 1
    await asyncio.gather(*(user.__aexit__() for user in users))
    assert not is_running(data_dir)


async def test_a_killed_user_does_not_keep_it_alive(data_dir: Path) -> None:
    """The other user is the last one out, though the dead one never said goodbye."""
    async with EmbeddedValkey(data_dir), process("valkey_user", str(data_dir)) as user:
        await line_with("up", user)
        user.kill()
        await user.wait()
    assert not is_running(data_dir)


async def test_an_orphan_is_adopted(data_dir: Path) -> None:
    async with process("valkey_user", str(data_dir)) as user:
        await line_with("up", user)
        user.kill()
        await user.wait()
    assert is_running(data_dir)
    orphan = int((data_dir / "valkey" / "valkey.pid").read_text())
    async with EmbeddedValkey(data_dir) as valkey:
        assert await server_pid(valkey) == orphan
    assert not is_running(data_dir)


async def test_a_server_that_was_killed_is_replaced(data_dir: Path) -> None:
    """kill -9 leaves a stale socket and the append-only file."""
    async with EmbeddedValkey(data_dir) as valkey:
        async with Redis(unix_socket_path=str(valkey.socket)) as client:
            await client.set("a", "1")
        os.kill(await server_pid(valkey), signal.SIGKILL)

        async def is_gone() -> bool:
            return not is_running(data_dir)

        await until(is_gone, "the server dies")
        assert valkey.socket.exists()
        async with EmbeddedValkey(data_dir) as again, Redis(unix_socket_path=str(again.socket)) as client:
            assert await client.get("a") == b"1"


async def test_ctrl_c_does_not_reach_the_server(data_dir: Path) -> None:
    async with EmbeddedValkey(data_dir) as valkey:
        assert os.getpgid(await server_pid(valkey)) != os.getpgid(0)


async def test_a_long_path_gets_a_short_socket(tmp_path: Path) -> None:
    data_dir = tmp_path / "a directory" / ("d" * 120)
    async with EmbeddedValkey(data_dir) as valkey:
        assert len(os.fsencode(valkey.socket)) < 108
        assert valkey.socket.parent.stat().st_mode & 0o777 == 0o700
        assert valkey.socket == EmbeddedValkey(data_dir).socket
    assert not valkey.socket.parent.exists()


async def test_damaged_data_is_reported_with_the_log(data_dir: Path) -> None:
    async with EmbeddedValkey(data_dir) as valkey, Redis(unix_socket_path=str(valkey.socket)) as client:
        await client.set("a", "1")
    (manifest,) = (data_dir / "valkey" / "appendonlydir").glob("*.manifest")
    manifest.write_text("nonsense\n")
    with pytest.raises(ValkeyFailedError) as caught:
        await EmbeddedValkey(data_dir).__aenter__()
    assert "manifest" in caught.value.message
    assert "valkey.log" in caught.value.remedy
    assert not is_running(data_dir)


async def test_a_directory_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValkeyFailedError, match="no place to run"):
        await EmbeddedValkey(tmp_path / "file" / "data").__aenter__()


async def test_it_may_be_started_in_the_instant_the_old_one_is_killed(data_dir: Path) -> None:
    """The old one still holds its lock and answers no more."""
    async with AsyncExitStack() as users:
        for _ in range(5):
            valkey = await users.enter_async_context(EmbeddedValkey(data_dir))
            os.kill(await server_pid(valkey), signal.SIGKILL)
        await users.enter_async_context(EmbeddedValkey(data_dir))


async def test_one_that_dies_under_its_users_is_started_again(data_dir: Path) -> None:
    async with EmbeddedValkey(data_dir) as valkey, valkey.kept_running():
        async with Redis(unix_socket_path=str(valkey.socket)) as client:
            await client.set("a", "1")
        killed = await server_pid(valkey)
        os.kill(killed, signal.SIGKILL)

        async def is_another() -> bool:
            with suppress(RedisError):
                return await server_pid(valkey) != killed
            return False

        await until(is_another, "another server answers")
        async with Redis(unix_socket_path=str(valkey.socket)) as client:
            assert await client.get("a") == b"1"
    assert not is_running(data_dir)
