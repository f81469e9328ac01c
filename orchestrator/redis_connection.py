"""The client of Redis: a configured one by URL, else the embedded Valkey."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import quote

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ReadOnlyError, RedisError

from orchestrator.batched_redis import BatchedRedis
from orchestrator.embedded_valkey import EmbeddedValkey
from orchestrator.errors import RedisUnavailableError
from orchestrator.keys import Keys
from orchestrator.redis_fault import unavailable
from orchestrator.settings import Settings

_NUM_RETRIES = 4
_MAX_CONNECTIONS = 5_000
"""Whoever follows a run waits on one; Valkey and Redis take 10,000 unless they are told otherwise."""
_ANSWER_SECONDS = 10.0
_CONNECT_SECONDS = 3.0
_PROBE_SECONDS = 2.0
_PROBE_KEPT_SECONDS = 60


@asynccontextmanager
async def redis_connection(settings: Settings) -> AsyncGenerator[Redis]:
    """A client that has been answered once; released, and with it the embedded Valkey, at the end.

    Raises RedisUnavailableError with what is wrong: refused, wrong password, not started.
    """
    if settings.redis_url is not None:
        async with _answered(redis_url(settings)) as redis:
            yield redis
        return
    async with (
        EmbeddedValkey(settings.data_dir) as valkey,
        valkey.kept_running(),
        _answered(redis_url(settings)) as redis,
    ):
        yield redis


def redis_url(settings: Settings) -> str:
    """The configured Redis, else the socket of the embedded Valkey."""
    if settings.redis_url is not None:
        return settings.redis_url.get_secret_value()
    return f"unix://{quote(str(EmbeddedValkey(settings.data_dir).socket))}"


@asynccontextmanager
async def redis_errors(seconds: float = _ANSWER_SECONDS) -> AsyncGenerator[None]:
    """What the client raises inside becomes RedisUnavailableError, as does no answer for `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise RedisUnavailableError(f"it gave no answer for {seconds:.0f} s") from error
    except RedisError as error:
        raise unavailable(error) from error


async def check_writable(redis: Redis, keys: Keys) -> None:
    """Write something small: a full memory or disk and a replica answer a PING too. Raises RedisUnavailableError."""
    async with redis_errors(_PROBE_SECONDS):
        await redis.set(keys.health, 1, ex=_PROBE_KEPT_SECONDS)


@asynccontextmanager
async def _answered(url: str) -> AsyncGenerator[Redis]:
    # asked once without retries: at the start, what is wrong is to be said at once
    async with _client(url, num_retries=0) as redis, redis_errors():
        await redis.ping()
    async with _client(url, num_retries=_NUM_RETRIES) as redis:
        yield redis


def _client(url: str, num_retries: int) -> Redis:
    return BatchedRedis.from_url(
        url,
        max_connections=_MAX_CONNECTIONS,
        decode_responses=True,
        # with a timeout of its own the client waits by asyncio.wait_for, which before Python 3.12 may swallow Ctrl-C
        socket_timeout=None,
        socket_connect_timeout=_CONNECT_SECONDS,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), num_retries),
        # a primary that became a replica: a new connection may find its successor
        retry_on_error=[ReadOnlyError],
    )
