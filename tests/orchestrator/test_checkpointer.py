"""Graphs stopped and resumed, threads that grow, shrink and end: what the conformance suite does not look at."""

import asyncio
import operator
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, interrupt
from redis.asyncio import Redis

from graphs.state import STATE_CLASSES
from orchestrator.checkpoint_store import SCHEMA, CheckpointStore
from orchestrator.checkpointer import Checkpointer
from orchestrator.errors import AsyncOnlyError, CheckpointRefusedError, CheckpointSchemaError, RedisUnavailableError
from orchestrator.events import RunFinished
from orchestrator.keys import Keys
from orchestrator.run import RunStatus
from orchestrator.run_store import RunStore
from tests.orchestrator import growing_thread
from tests.orchestrator.records import a_run

pytestmark = pytest.mark.usefixtures("server")

KEYS = Keys("default")
TTL_SECONDS = 600


class Words(TypedDict):
    words: Annotated[list[str], operator.add]


def a_checkpointer(redis: Redis, tenant: str = "default") -> Checkpointer:
    return Checkpointer(CheckpointStore(redis, Keys(tenant), TTL_SECONDS), STATE_CLASSES)


@pytest.fixture
def saver(redis: Redis) -> Checkpointer:
    return a_checkpointer(redis)


def thread(thread_id: str = "t", checkpoint_id: str | None = None) -> RunnableConfig:
    config: dict[str, Any] = {"thread_id": thread_id, "checkpoint_ns": ""}
    return {"configurable": config | ({"checkpoint_id": checkpoint_id} if checkpoint_id else {})}


def echo(saver: Checkpointer) -> CompiledStateGraph[Any, Any, Any, Any]:
    """A graph that repeats the last word in capitals."""

    def repeat(state: Words) -> Words:
        return {"words": [state["words"][-1].upper()]}

    return StateGraph(Words).add_node("repeat", repeat).add_edge(START, "repeat").compile(checkpointer=saver)


async def say(saver: Checkpointer, *words: str, thread_id: str = "t", run_id: str = "") -> list[str]:
    """One invocation a word; the words of the thread at the end."""
    config = thread(thread_id)
    config["configurable"] = {**config.get("configurable", {}), "run_id": run_id}
    known: list[str] = []
    for word in words:
        known = (await echo(saver).ainvoke({"words": [word]}, config))["words"]
    return known


async def words_of(saver: Checkpointer, config: RunnableConfig) -> list[str]:
    found = await saver.aget_tuple(config)
    assert found is not None
    return found.checkpoint["channel_values"]["words"]


async def test_a_thread_is_continued_by_another_process(saver: Checkpointer, redis: Redis) -> None:
    await say(saver, "one")
    assert await say(a_checkpointer(redis), "two") == ["one", "ONE", "two", "TWO"]


async def test_an_interrupted_graph_waits_for_its_answer(saver: Checkpointer, redis: Redis) -> None:
    def ask(state: Words) -> Words:
        return {"words": [interrupt("which word?")]}

    def build(saver: Checkpointer) -> CompiledStateGraph[Any, Any, Any, Any]:
        return StateGraph(Words).add_node("ask", ask).add_edge(START, "ask").compile(checkpointer=saver)

    waiting = await build(saver).ainvoke({"words": []}, thread())
    assert waiting["__interrupt__"][0].value == "which word?"
    answered = await build(a_checkpointer(redis)).ainvoke(Command(resume="this one"), thread())
    assert answered["words"] == ["this one"]


async def test_what_a_step_has_found_is_kept_when_its_neighbour_fails(saver: Checkpointer) -> None:
    calls: list[str] = []

    def fine(state: Words) -> Words:
        calls.append("fine")
        return {"words": ["fine"]}

    def flaky(state: Words) -> Words:
        calls.append("flaky")
        if calls.count("flaky") == 1:
            raise ZeroDivisionError
        return {"words": ["flaky"]}

    graph = StateGraph(Words).add_node("fine", fine).add_node("flaky", flaky)
    compiled = graph.add_edge(START, "fine").add_edge(START, "flaky").compile(checkpointer=saver)
    with pytest.raises(ZeroDivisionError):
        await compiled.ainvoke({"words": []}, thread())
    resumed = await compiled.ainvoke(None, thread())
    assert resumed["words"] == ["fine", "flaky"]
    assert calls.count("fine") == 1


async def test_a_branch_does_not_change_what_it_branched_from(saver: Checkpointer) -> None:
    """Two branches count their versions from the same one; the values are kept apart."""
    await say(saver, "one")
    (start,) = [found.config async for found in saver.alist(thread(), filter={"step": 1})]
    await say(saver, "two")
    (trunk,) = [found.config async for found in saver.alist(thread(), limit=1)]
    await echo(saver).ainvoke({"words": ["other"]}, start)
    assert await words_of(saver, trunk) == ["one", "ONE", "two", "TWO"]
    assert await words_of(saver, thread()) == ["one", "ONE", "other", "OTHER"]


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


async def test_a_copy_goes_its_own_way(saver: Checkpointer) -> None:
    await say(saver, "one")
    await saver.acopy_thread("t", "copy")
    await say(saver, "two", thread_id="copy")
    assert await words_of(saver, thread()) == ["one", "ONE"]
    assert await words_of(saver, thread("copy")) == ["one", "ONE", "two", "TWO"]


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


async def newest(saver: Checkpointer) -> Any:
    found = await saver.aget_tuple(thread())
    assert found is not None
    return found


async def test_the_thread_of_a_run_is_kept_as_long_as_the_run(
    saver: Checkpointer, redis: Redis, runs: RunStore
) -> None:
    run = a_run()
    await runs.create(run)
    await say(saver, "one", thread_id=run.id)
    assert [await redis.ttl(key) for key in KEYS.of_thread(run.id)] == [-1, -1, -1]
    await runs.finish(RunFinished(run_id=run.id, status=RunStatus.SUCCESS))
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


async def test_a_value_that_could_not_be_read_again_stops_the_graph(saver: Checkpointer) -> None:
    def careless(state: Words) -> dict[str, Any]:
        return {"words": [object()]}

    graph = StateGraph(Words).add_node("careless", careless).add_edge(START, "careless").compile(checkpointer=saver)
    with pytest.raises(CheckpointRefusedError, match="object"):
        await graph.ainvoke({"words": []}, thread())


async def test_a_name_with_a_nul_is_refused(saver: Checkpointer) -> None:
    await say(saver, "one")
    with pytest.raises(CheckpointRefusedError, match="NUL"):
        await saver.aput_writes((await newest(saver)).config, [("wo\0rds", 1)], "task")


async def test_blocking_methods_name_the_one_to_await(saver: Checkpointer) -> None:
    blocking = ("get_tuple", "list", "put", "put_writes", "delete_thread", "delete_for_runs", "copy_thread", "prune")
    for method in (*blocking, "get_delta_channel_history"):
        with pytest.raises(AsyncOnlyError, match=method) as caught:
            getattr(saver, method)()
        assert caught.value.remedy == f"await a{method}"
    with pytest.raises(AsyncOnlyError):
        echo(saver).invoke({"words": ["one"]}, thread())


async def test_many_writes_at_once_do_not_use_up_the_connections(saver: Checkpointer, redis: Redis) -> None:
    """A graph that does not wait for its checkpoints writes as many as it has fast steps."""
    await say(saver, "one")
    config = (await newest(saver)).config
    await asyncio.gather(*(saver.aput_writes(config, [("words", ["x"])], f"task {number}") for number in range(300)))
    assert len((await newest(saver)).pending_writes) == 300
    assert int((await redis.info("clients"))["connected_clients"]) < 40


async def test_an_unknown_strategy_is_refused(saver: Checkpointer) -> None:
    with pytest.raises(ValueError, match="'keep_latest' or 'delete'"):
        await saver.aprune(["t"], strategy="newest")


async def test_a_server_that_is_not_there_is_reported() -> None:
    nobody = Redis(unix_socket_path="nobody.sock")
    with pytest.raises(RedisUnavailableError, match="not available"):
        await a_checkpointer(nobody).aget_tuple(thread())
    await nobody.aclose()
