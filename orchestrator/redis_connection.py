"""The client of Redis: a configured one by URL, else the embedded Valkey."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import quote

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError

from orchestrator.embedded_valkey import EmbeddedValkey
from orchestrator.errors import RedisUnavailableError
from orchestrator.settings import Settings

_NUM_RETRIES = 4
_ANSWER_SECONDS = 10.0
_CONNECT_SECONDS = 3.0
# the client has no error of its own for a password that is wrong or missing
_SIGNS_OF_A_WRONG_PASSWORD = ("username-password pair", "uthentica")
_PASSWORD_REMEDY = "correct the password in REDIS_URL"


@asynccontextmanager
async def redis_connection(settings: Settings) -> AsyncGenerator[Redis]:
    """A client that has been answered once; released, and with it the embedded Valkey, at the end.

    Raises RedisUnavailableError with what is wrong: refused, wrong password, not started.
    """
    if settings.redis_url is not None:
        async with _answered(redis_url(settings)) as redis:
            yield redis
        return
    async with EmbeddedValkey(settings.data_dir), _answered(redis_url(settings)) as redis:
        yield redis


def redis_url(settings: Settings) -> str:
    """The configured Redis, else the socket of the embedded Valkey."""
    if settings.redis_url is not None:
        return settings.redis_url.get_secret_value()
    return f"unix://{quote(str(EmbeddedValkey(settings.data_dir).socket))}"


@asynccontextmanager
async def redis_errors() -> AsyncGenerator[None]:
    """What the client raises inside becomes RedisUnavailableError, as does no answer for `_ANSWER_SECONDS`."""
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            yield
    except TimeoutError as error:
        raise RedisUnavailableError(f"it gave no answer for {_ANSWER_SECONDS:.0f} s") from error
    except RedisError as error:
        reason = str(error) or type(error).__name__
        if any(sign in reason for sign in _SIGNS_OF_A_WRONG_PASSWORD):
            raise RedisUnavailableError(f"it refuses the password ({reason})", _PASSWORD_REMEDY) from error
        raise RedisUnavailableError(reason) from error


@asynccontextmanager
async def _answered(url: str) -> AsyncGenerator[Redis]:
    # asked once without retries: at the start, what is wrong is to be said at once
    async with _client(url, num_retries=0) as redis, redis_errors():
        await redis.ping()
    async with _client(url, num_retries=_NUM_RETRIES) as redis:
        yield redis


def _client(url: str, num_retries: int) -> Redis:
    return Redis.from_url(
        url,
        decode_responses=True,
        # with a timeout of its own the client waits by asyncio.wait_for, which before Python 3.12 may swallow Ctrl-C
        socket_timeout=None,
        socket_connect_timeout=_CONNECT_SECONDS,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), num_retries),
    )
