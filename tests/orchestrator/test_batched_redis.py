"""Scripts of one turn of the event loop go out together, and each has its own end."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any, cast

import pytest
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.commands.core import AsyncScript
from redis.exceptions import NoScriptError, ReadOnlyError, ResponseError

from orchestrator.batched_redis import BatchedRedis


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many commands each batch has had."""
    sizes: list[int] = []
    execute = Pipeline.execute

    async def counted(pipeline: Pipeline, raise_on_error: bool = True) -> Any:
        sizes.append(len(pipeline.command_stack))
        return await execute(pipeline, raise_on_error)

    monkeypatch.setattr(Pipeline, "execute", counted)
    return sizes


@pytest.fixture
async def count(redis: Redis) -> AsyncIterator[AsyncScript]:
    """One more each time."""
    script = redis.register_script("return redis.call('INCR', KEYS[1])")
    await script(keys=["begun"])
    yield script
    await redis.flushall()


async def test_what_is_asked_for_at_once_goes_out_at_once_and_in_order(count: AsyncScript, batches: list[int]) -> None:
    assert await asyncio.gather(*(count(keys=["n"]) for _ in range(20))) == list(range(1, 21))
    assert batches == [20]


async def test_while_two_batches_are_on_the_way_the_next_one_gathers(count: AsyncScript, batches: list[int]) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(10):
            group.create_task(count(keys=["n"]))
            await asyncio.sleep(0)  # a turn of the loop
    assert await count(keys=["n"]) == 11
    assert len(batches) < 6


async def test_one_that_fails_leaves_the_others_alone(count: AsyncScript, redis: Redis) -> None:
    replies = await asyncio.gather(
        count(keys=["n"]),
        redis.hget("n", "field"),
        redis.evalsha("0" * 40, 0),
        count(keys=["n"]),
        return_exceptions=True,
    )
    assert [type(reply) for reply in replies] == [int, ResponseError, NoScriptError, int]


async def test_one_that_cannot_be_written_leaves_the_others_alone(count: AsyncScript) -> None:
    replies = await asyncio.gather(count(keys=["n"]), count(keys=["\ud800"]), return_exceptions=True)
    assert [type(reply) for reply in replies] == [int, UnicodeEncodeError]


async def test_what_nobody_waits_for_any_more_is_not_sent(count: AsyncScript, redis: Redis) -> None:
    tasks = [asyncio.create_task(cast(Coroutine[Any, Any, int], count(keys=[name]))) for name in ("given_up", "kept")]
    await asyncio.sleep(0)  # both are asked for, and not yet sent
    tasks[0].cancel()
    await asyncio.wait(tasks)
    assert [await redis.get("given_up"), await redis.get("kept")] == [None, "1"]


async def test_a_lost_connection_is_made_anew(count: AsyncScript, redis: Redis) -> None:
    await redis.client_kill_filter(_type="normal", skipme=False)
    assert await asyncio.gather(count(keys=["a"]), count(keys=["b"])) == [1, 1]


async def test_a_replica_is_asked_again_alone(count: AsyncScript, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object) -> list[Exception]:
        return [ReadOnlyError("it became a replica")]

    monkeypatch.setattr(BatchedRedis, "_replies", refuse)
    assert await count(keys=["n"]) == 1
