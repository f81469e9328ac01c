"""Threads that grow, shrink and end: nothing is stored twice, nothing is left, all of a thread expires at once."""

import asyncio
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from orchestrator.benchmark import growing_thread
from orchestrator.checkpoint_store import SCHEMA
from orchestrator.checkpointer import Checkpointer
from orchestrator.errors import CheckpointSchemaError, RedisUnavailableError
from orchestrator.events import RunFinished
from orchestrator.keys import Keys
from orchestrator.run import RunStatus
from orchestrator.run_store import RunStore
from tests.orchestrator.echoing_graph import TTL_SECONDS, a_checkpointer, newest, say, thread, words_of
from tests.orchestrator.records import a_run, kept

pytestmark = pytest.mark.usefixtures("server")

KEYS = Keys("default")


@pytest.fixture
def saver(redis: Redis) -> Checkpointer:
    return a_checkpointer(redis)


async def test_a_step_adds_the_same_bytes_however_long_the_thread_is(redis: Redis) -> None:
    """A document is stored once, of the messages only what is new; whole copies of the state grow."""
    added, copies = await growing_thread.grow(redis, growing_thread.DeltaConversation, "t")
    assert len(added) == growing_thread.NUM_STEPS
    assert sum(added[-20:]) < 1.02 * sum(added[10:30])
    assert sum(copies[-20:]) > 3 * sum(copies[10:30])
    assert max(added[10:]) < min(copies) / 5


async def test_nothing_is_left_of_a_deleted_thread(saver: Checkpointer, redis: Redis) -> None:
    await say(saver, "one", "two")
    await saver.adelete_thread("t")
    assert await redis.keys() == []


async def test_values_that_no_checkpoint_has_go_with_the_checkpoints(saver: Checkpointer, redis: Redis) -> None:
    await say(saver, "one", "two", "three")
    before = await sizes(redis)
    await saver.aprune(["t"])
    after = await sizes(redis)
    found = await saver.aget_tuple(thread())
    assert found is not None
    # the values of one checkpoint and the schema
    assert after == (1, 0, len(found.checkpoint["channel_values"]) + 1)
    assert all(now < then for now, then in zip(after, before, strict=True))
    assert await say(saver, "four") == ["one", "ONE", "two", "TWO", "three", "THREE", "four", "FOUR"]
    await saver.aprune(["t"], strategy="delete")
    assert await redis.keys() == []


async def test_deleting_all_runs_of_a_thread_leaves_nothing(saver: Checkpointer, redis: Redis) -> None:
    await say(saver, "one", run_id="first")
    before = await sizes(redis)
    await say(saver, "two", run_id="second")
    await saver.adelete_for_runs(["second"])
    assert await sizes(redis) == before
    assert await words_of(saver, thread()) == ["one", "ONE"]
    await saver.adelete_for_runs(["first", "unknown"])
    assert await redis.keys() == []


async def sizes(redis: Redis) -> tuple[int, int, int]:
    """Checkpoints, writes, channel values."""
    checkpoints, writes, channels = KEYS.of_thread("t")
    return await redis.zcard(checkpoints), await redis.zcard(writes), await redis.hlen(channels)


async def test_tenants_do_not_see_each_other(saver: Checkpointer, redis: Redis) -> None:
    other = a_checkpointer(redis, "other")
    await say(saver, "one", run_id="first")
    await say(other, "two", run_id="first")
    await other.adelete_for_runs(["first"])
    assert await threads(other) == set()
    assert await threads(saver) == {"t"}


async def threads(saver: Checkpointer) -> set[str]:
    return {found.config.get("configurable", {})["thread_id"] async for found in saver.alist(None)}


@pytest.mark.parametrize("thread_id", ["with space", "{a}", "a}b{", "a/b:c*", "ü" * 50])
async def test_any_thread_id_will_do(saver: Checkpointer, thread_id: str) -> None:
    await say(saver, "one", thread_id=thread_id)
    assert await threads(saver) == {thread_id}


async def test_every_write_keeps_the_whole_thread_longer(saver: Checkpointer, redis: Redis) -> None:
    await say(saver, "one")
    for key in KEYS.of_thread("t"):
        await redis.expire(key, 5)
    await saver.aput_writes((await newest(saver)).config, [("words", ["late"])], "task")
    lifetimes = {await redis.pttl(key) for key in KEYS.of_thread("t")}
    assert max(lifetimes) - min(lifetimes) < 1000
    assert (TTL_SECONDS - 60) * 1000 < min(lifetimes) <= TTL_SECONDS * 1000


async def test_the_thread_of_a_run_is_kept_as_long_as_the_run(
    saver: Checkpointer, redis: Redis, runs: RunStore
) -> None:
    run = await kept(runs, a_run())
    await say(saver, "one", thread_id=run.id)
    assert [await redis.ttl(key) for key in KEYS.of_thread(run.id)] == [-1, -1, -1]
    await runs.end(RunFinished(run_id=run.id, status=RunStatus.SUCCESS))
    await say(saver, "late", thread_id=run.id)
    lifetimes = [await redis.pttl(key) for key in [*KEYS.of_thread(run.id), KEYS.run(run.id)]]
    assert min(lifetimes) > TTL_SECONDS * 1000
    assert max(lifetimes) - min(lifetimes) < 1000


async def test_another_schema_is_refused_but_can_be_deleted(saver: Checkpointer, redis: Redis) -> None:
    await say(saver, "one")
    config = (await newest(saver)).config
    channels = KEYS.of_thread("t")[2]
    assert await redis.hget(channels, "schema") == SCHEMA
    await redis.hset(channels, "schema", "99")
    for operation in (
        say(saver, "two"),
        saver.aget_tuple(config),
        saver.aput_writes(config, [("words", ["x"])], "task"),
        saver.aget_delta_channel_history(config=config, channels=["words"]),
        saver.aprune(["t"]),
        saver.adelete_for_runs(["x"]),
        saver.acopy_thread("t", "copy"),
    ):
        with pytest.raises(CheckpointSchemaError, match=f"schema 99; this version reads schema {SCHEMA}") as caught:
            await operation
        assert "delete the thread" in caught.value.remedy
    await saver.adelete_thread("t")
    assert await redis.keys() == []


async def test_many_writes_at_once_do_not_use_up_the_connections(saver: Checkpointer, redis: Redis) -> None:
    """A graph that does not wait for its checkpoints writes as many as it has fast steps."""
    await say(saver, "one")
    config = (await newest(saver)).config
    await asyncio.gather(*(saver.aput_writes(config, [("words", ["x"])], f"task {number}") for number in range(300)))
    assert len((await newest(saver)).pending_writes or []) == 300
    assert int((await redis.info("clients"))["connected_clients"]) < 40


async def test_a_server_that_is_not_there_is_reported() -> None:
    nobody = Redis(unix_socket_path="nobody.sock")
    with pytest.raises(RedisUnavailableError, match="not available"):
        await a_checkpointer(nobody).aget_tuple(thread())
    await nobody.aclose()


async def test_the_cluster_of_these_tests_refuses_a_script_across_slots(cluster: Path) -> None:
    """Else the other tests would say nothing about clusters."""
    async with Redis(unix_socket_path=str(cluster)) as client:
        with pytest.raises(ResponseError, match="same slot"):
            await client.eval("return 1", 2, *KEYS.of_thread("t")[:1], *KEYS.of_thread("u")[:1])
        assert await client.eval("return 1", 3, *KEYS.of_thread("t")) == 1
