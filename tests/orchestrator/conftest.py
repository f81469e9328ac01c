"""A data directory of its own for every test, with a real Valkey in it."""

import os
import shutil
import socket as socket_module
import subprocess
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis as RedisClient
from redis.asyncio import Redis
from redis.client import NEVER_DECODE

from orchestrator.answer_store import AnswerStore
from orchestrator.embedded_valkey import server_binary
from orchestrator.keys import Keys, conversation_of, retention_of, run_id_of, thread_id_of
from orchestrator.redis_connection import redis_connection
from orchestrator.run_queue import RunQueue
from orchestrator.run_store import RunStore
from orchestrator.service import Service
from orchestrator.settings import Settings, read_settings
from orchestrator.thread_store import ThreadStore
from orchestrator.trace_store import TraceStore
from tests.orchestrator.scripted_experts import ScriptedExperts, open_scripted_experts


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Settings of the machine stay out; processes that a test starts inherit these."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"CCOE_{name.upper()}", raising=False)
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.setenv("CCOE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("CCOE_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture(params=["valkey", *(pytest.param(name, marks=pytest.mark.slow) for name in ("cluster", "redis"))])
def server(request: pytest.FixtureRequest, environment: None, monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """The embedded Valkey; in the long runs a cluster of one node and Debian's Redis too."""
    if request.param == "valkey":
        yield
        return
    if request.param == "cluster":
        socket: Path = request.getfixturevalue("cluster")
        monkeypatch.setenv("REDIS_URL", f"unix://{socket}")
        with RedisClient(unix_socket_path=str(socket)) as client:
            client.flushall()
        yield
        return
    binary = shutil.which("redis-server")
    if binary is None:
        reason = "there is no redis-server; apt-get install redis-server"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    with running_server(binary) as socket:
        monkeypatch.setenv("REDIS_URL", f"unix://{socket}")
        yield


@pytest.fixture(scope="session")
def cluster() -> Generator[Path]:
    """The socket of a cluster of one node that has all slots: it refuses commands and scripts across slots."""
    with (
        running_server(str(server_binary()), "--cluster-enabled", "yes", "--cluster-port", str(free_port())) as socket,
        RedisClient(unix_socket_path=str(socket), decode_responses=True) as client,
    ):
        client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        deadline = time.monotonic() + 20.0
        while "cluster_state:ok" not in str(client.execute_command("CLUSTER", "INFO", **{NEVER_DECODE: []})):
            assert time.monotonic() < deadline, "the cluster takes no commands"
            time.sleep(0.01)  # between two looks at the condition
        yield socket


@contextmanager
def running_server(binary: str, *options: str) -> Generator[Path]:
    """A server of a test's own; the socket it listens at."""
    with tempfile.TemporaryDirectory(prefix="ccoe-redis-") as folder:
        socket = Path(folder) / "redis.sock"
        command = [binary, "--port", "0", "--unixsocket", str(socket), "--dir", folder, "--save", "", *options]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            try:
                wait_for_socket(socket)
                yield socket
            finally:
                process.terminate()


def free_port() -> int:
    """Without one of its own, clusters of several tests at a time would want the same."""
    with socket_module.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_socket(path: Path, seconds: float = 20.0) -> None:
    """Until somebody listens there."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with socket_module.socket(socket_module.AF_UNIX) as probe:
            if probe.connect_ex(str(path)) == 0:
                return
        time.sleep(0.01)  # between two looks at the condition
    raise TimeoutError(f"nobody listens at {path}")


@pytest.fixture
def settings() -> Settings:
    return read_settings()


@pytest.fixture
async def redis(settings: Settings) -> AsyncIterator[Redis]:
    """Valkey, and at the end the check that no key is left without a class or without its TTL."""
    async with redis_connection(settings) as client:
        yield client
        await check_keys(client)


@pytest.fixture
def runs(redis: Redis, settings: Settings) -> RunStore:
    return RunStore(redis, Keys(settings.tenant), settings.run_ttl_seconds)


@pytest.fixture
def queue(redis: Redis, settings: Settings) -> RunQueue:
    return RunQueue(redis, Keys(settings.tenant), "w1", settings.run_ttl_seconds)


@pytest.fixture
def other_queue(redis: Redis, settings: Settings) -> RunQueue:
    """The same queue as another worker sees it."""
    return RunQueue(redis, Keys(settings.tenant), "w2", settings.run_ttl_seconds)


@pytest.fixture
def answers(redis: Redis, runs: RunStore, queue: RunQueue) -> AnswerStore:
    """As the command line answers: it reaches Redis and no service."""
    return AnswerStore(redis, runs, queue)


@pytest.fixture
def threads(redis: Redis, runs: RunStore, settings: Settings) -> ThreadStore:
    return ThreadStore(redis, Keys(settings.tenant), runs, settings.run_ttl_seconds)


@pytest.fixture
def traces(redis: Redis, runs: RunStore) -> TraceStore:
    return TraceStore(redis, runs)


@pytest.fixture
async def service(redis: Redis, settings: Settings) -> AsyncGenerator[Service]:
    """A service with scripted experts; `redis` checks the keys when it is closed."""
    async with Service.open(settings, open_scripted_experts) as opened:
        yield opened


@pytest.fixture
def experts(service: Service) -> ScriptedExperts:
    assert isinstance(service.experts, ScriptedExperts)
    return service.experts


async def check_keys(client: Redis) -> None:
    """Every key is known to the factory, and expires exactly if its retention class says so."""
    for key in sorted(str(key) for key in await client.keys()):
        is_owned = run_id_of(key) or thread_id_of(key)
        status = await client.hget(f"{key.rsplit(':', 1)[0]}:run", "status") if is_owned else None
        lives = status in ('"pending"', '"running"', '"interrupted"') or (status is None and not thread_id_of(key))
        if conversation_of(key):
            lives = bool(await client.exists(f"{key.rsplit(':', 1)[0]}:open"))
        retention = retention_of(key, is_terminal=not lives)
        assert retention is not None, f"{key} is no key of the factory"
        assert (await client.ttl(key) > 0) is retention.expires, f"{key} is {retention}: TTL {await client.ttl(key)}"
