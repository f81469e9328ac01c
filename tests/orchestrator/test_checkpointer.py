"""LangGraph's own conformance suite, and graphs that are stopped, resumed and branched."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, interrupt
from redis.asyncio import Redis

from graphs.state import STATE_CLASSES
from orchestrator.checkpoint_store import CheckpointStore
from orchestrator.checkpointer import Checkpointer
from orchestrator.errors import CheckpointRefusedError
from orchestrator.keys import Keys
from tests.orchestrator.echoing_graph import Words, a_checkpointer, echo, newest, say, thread, words_of

pytestmark = pytest.mark.usefixtures("server")


@pytest.fixture
def saver(redis: Redis) -> Checkpointer:
    return a_checkpointer(redis)


async def test_all_of_the_suite_passes(redis: Redis) -> None:
    """Release 0.0.2 has 58 base and 23 extended tests. It skips what is not overridden, so they are counted.

    Of delta channels it has none yet; those are in test_checkpoint_scripts.py.
    """

    @checkpointer_test(name="Checkpointer")
    async def checkpointer() -> AsyncGenerator[BaseCheckpointSaver[str]]:
        yield Checkpointer(CheckpointStore(redis, Keys("default"), 60), STATE_CLASSES)

    results = (await validate(checkpointer)).results.values()
    assert [failure for result in results for failure in result.failures] == []
    assert sum(result.tests_passed for result in results) == 81
    assert sum(result.tests_skipped for result in results) == 0


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


async def test_a_copy_goes_its_own_way(saver: Checkpointer) -> None:
    await say(saver, "one")
    await saver.acopy_thread("t", "copy")
    await say(saver, "two", thread_id="copy")
    assert await words_of(saver, thread()) == ["one", "ONE"]
    assert await words_of(saver, thread("copy")) == ["one", "ONE", "two", "TWO"]


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


async def test_an_unknown_strategy_is_refused(saver: Checkpointer) -> None:
    with pytest.raises(ValueError, match="'keep_latest' or 'delete'"):
        await saver.aprune(["t"], strategy="newest")
