"""The client of Redis: a configured one by URL, else the embedded Valkey."""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import AuthenticationError, RedisError

from orchestrator.embedded_valkey import EmbeddedValkey
from orchestrator.errors import RedisUnavailableError
from orchestrator.settings import Settings

_NUM_RETRIES = 4
_SOCKET_SECONDS = 10.0


@asynccontextmanager
async def redis_connection(settings: Settings) -> AsyncGenerator[Redis]:
    """A client that has been answered once; released, and with it the embedded Valkey, at the end.

    Raises RedisUnavailableError with what is wrong: refused, wrong password, not started.
    """
    if settings.redis_url is not None:
        async with _client(Redis.from_url(settings.redis_url.get_secret_value(), **_options())) as redis:
            yield redis
        return
    valkey = EmbeddedValkey(settings.data_dir)
    async with valkey, _client(Redis(unix_socket_path=str(valkey.socket), **_options())) as redis:
        yield redis


@asynccontextmanager
async def _client(redis: Redis) -> AsyncGenerator[Redis]:
    try:
        with redis_errors():
            await redis.ping()
        yield redis
    finally:
        await redis.aclose()


def _options() -> dict[str, Any]:
    return {
        "decode_responses": True,
        "socket_timeout": _SOCKET_SECONDS,
        "socket_connect_timeout": 3.0,
        "retry": Retry(ExponentialBackoff(cap=0.5, base=0.05), _NUM_RETRIES),
    }


@contextmanager
def redis_errors() -> Generator[None]:
    """What the client raises inside becomes RedisUnavailableError."""
    try:
        yield
    except AuthenticationError as error:
        raise RedisUnavailableError(
            f"it refuses the password ({error})", "correct the password in REDIS_URL"
        ) from error
    except RedisError as error:
        raise RedisUnavailableError(str(error) or type(error).__name__) from error
