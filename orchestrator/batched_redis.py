"""A client that sends scripts together: all that are asked for in one turn of the event loop, by however many runs."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import DataError, ReadOnlyError, RedisError

_TOGETHER = ("EVALSHA", "HGET")
"""What runs ask for most. None of them waits in Redis: what comes behind it would wait with it."""
_MAX_BATCHES = 2
"""On the way at once, each on a connection of its own; what is asked for meanwhile is the next one."""
_ANSWER_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class _Asked:
    """A command, and where its reply is waited for."""

    command: Sequence[Any]
    options: Mapping[str, Any]
    reply: asyncio.Future[Any]

    def answer(self, reply: Any) -> None:
        """Give the reply, or raise it, to whoever still waits."""
        if self.reply.done():
            return
        if isinstance(reply, BaseException):
            self.reply.set_exception(reply)
        else:
            self.reply.set_result(reply)


class BatchedRedis(Redis):
    """Scripts share their way to Redis and back; each fails by itself, and is as atomic as it is alone.

    If the connection is lost before all replies are there, all of a batch are repeated, as each would be alone.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._asked: list[_Asked] = []
        self._batches: set[asyncio.Task[None]] = set()

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """The reply to a command. Raises a RedisError, or TimeoutError."""
        if args[0] not in _TOGETHER:
            return await super().execute_command(*args, **options)
        loop = asyncio.get_running_loop()
        asked = _Asked(args, options, loop.create_future())
        self._asked.append(asked)
        if len(self._asked) == 1:
            loop.call_soon(self._send)
        try:
            return await asked.reply
        except ReadOnlyError:
            # a primary that became a replica: a new connection may find its successor
            return await super().execute_command(*args, **options)

    def _send(self) -> None:
        if len(self._batches) >= _MAX_BATCHES:
            return
        batch = [asked for asked in self._asked if not asked.reply.done()]
        self._asked.clear()
        if batch:
            task = asyncio.create_task(self._run(batch))
            self._batches.add(task)
            task.add_done_callback(self._returned)

    def _returned(self, task: asyncio.Task[None]) -> None:
        self._batches.discard(task)
        self._send()

    async def _run(self, batch: Sequence[_Asked]) -> None:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                replies = await self._replies(batch)
        except (RedisError, TimeoutError) as error:
            replies = [error] * len(batch)
        except asyncio.CancelledError:
            for asked in batch:
                asked.reply.cancel()
            raise
        for asked, reply in zip(batch, replies, strict=True):
            asked.answer(reply)

    async def _replies(self, batch: Sequence[_Asked]) -> Sequence[Any]:
        pipeline = self.pipeline(transaction=False)
        for asked in batch:
            pipeline.execute_command(*asked.command, **asked.options)
        try:
            return await pipeline.execute(raise_on_error=False)
        except (DataError, UnicodeError):
            # one of them cannot be written, so that none was sent
            alone = (super(BatchedRedis, self).execute_command(*asked.command, **asked.options) for asked in batch)
            return await asyncio.gather(*alone, return_exceptions=True)
