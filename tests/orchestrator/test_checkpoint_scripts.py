"""Channels of which only changes are stored: they are rebuilt from the nearest earlier value and the writes since."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.base.id import uuid6
from langgraph.checkpoint.serde.types import _DeltaSnapshot  # pyright: ignore[reportPrivateUsage]
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from redis.asyncio import Redis

from orchestrator.benchmark.growing_thread import DeltaConversation
from orchestrator.checkpoint_store import CheckpointStore
from orchestrator.checkpointer import Checkpointer
from orchestrator.keys import Keys

THREAD: RunnableConfig = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}

pytestmark = pytest.mark.usefixtures("server")


@pytest.fixture
def saver(redis: Redis) -> Checkpointer:
    return Checkpointer(CheckpointStore(redis, Keys("default"), 600), ())


async def chain(saver: Checkpointer, steps: Sequence[Mapping[str, Any]], **writes: Sequence[Any]) -> RunnableConfig:
    """Checkpoints one after another with the channel values of `steps`; after each, its write to each channel."""
    config = THREAD
    for number, values in enumerate(steps):
        versions: dict[str, str | int | float] = dict.fromkeys(values, number + 1)
        checkpoint = empty_checkpoint() | {
            "id": str(uuid6(clock_seq=number)),
            "channel_values": dict(values),
            "channel_versions": versions,
        }
        config = await saver.aput(config, checkpoint, {"source": "loop", "step": number}, versions)  # pyright: ignore[reportArgumentType]
        written = [(channel, all_writes[number]) for channel, all_writes in writes.items()]
        await saver.aput_writes(config, [pair for pair in written if pair[1] is not None], f"task {number}")
    return config


async def history(saver: Checkpointer, config: RunnableConfig, channel: str = "a") -> tuple[Any, list[Any]]:
    """Seed and writes of a channel."""
    found = (await saver.aget_delta_channel_history(config=config, channels=[channel]))[channel]
    return found.get("seed"), [value for _, _, value in found["writes"]]


async def test_writes_come_oldest_first_without_those_of_the_checkpoint_itself(saver: Checkpointer) -> None:
    head = await chain(saver, [{}, {}, {}], a=["first", "second", "pending"])
    assert await history(saver, head) == (None, ["first", "second"])
    assert await history(saver, THREAD) == (None, ["first", "second"])


@pytest.mark.parametrize("value", [_DeltaSnapshot(["whole"]), ["whole"]], ids=["snapshot", "of an earlier format"])
async def test_the_nearest_value_is_the_seed_and_its_own_writes_follow_it(saver: Checkpointer, value: Any) -> None:
    head = await chain(saver, [{"a": ["old"]}, {"a": value}, {}, {}], a=["older", "at the seed", "after", "pending"])
    assert await history(saver, head) == (value, ["at the seed", "after"])


async def test_every_channel_goes_back_as_far_as_it_must(saver: Checkpointer) -> None:
    steps = [{}, {"a": _DeltaSnapshot(1)}, {}, {"b": _DeltaSnapshot(3)}, {}]
    head = await chain(saver, steps, a=range(5), b=range(10, 15), c=[None, None, 22, None, None])
    found = await saver.aget_delta_channel_history(config=head, channels=["a", "b", "c"])
    writes = {channel: [value for _, _, value in entry["writes"]] for channel, entry in found.items()}
    assert writes == {"a": [1, 2, 3], "b": [13], "c": [22]}
    assert "seed" not in found["c"]
    assert await saver.aget_delta_channel_history(config=head, channels=[]) == {}


async def test_writes_of_parallel_tasks_come_in_the_order_of_their_paths(saver: Checkpointer) -> None:
    """As the run applied them; those without a path, the graph's input, come first."""
    start = await chain(saver, [{}])
    await saver.aput_writes(start, [("a", "second")], "task 1", "~pull, 02")
    await saver.aput_writes(start, [("a", "first"), ("b", 0), ("a", "too")], "task 2", "~pull, 01")
    await saver.aput_writes(start, [("a", "input")], "task 9")
    checkpoint = empty_checkpoint() | {"id": str(uuid6(clock_seq=9))}
    head = await saver.aput(start, checkpoint, {"source": "loop", "step": 1}, {})  # pyright: ignore[reportArgumentType]
    assert await history(saver, head) == (None, ["input", "first", "too", "second"])


async def test_only_the_way_back_counts(saver: Checkpointer) -> None:
    """Writes of another branch do not."""
    trunk = await chain(saver, [{}, {}], a=["root", "trunk"])
    (root,) = [found.config async for found in saver.alist(THREAD, before=trunk)]
    checkpoint = empty_checkpoint() | {"id": str(uuid6(clock_seq=9))}
    branch = await saver.aput(root, checkpoint, {"source": "fork", "step": 1}, {})  # pyright: ignore[reportArgumentType]
    assert await history(saver, branch) == (None, ["root"])


def talk(saver: Checkpointer) -> CompiledStateGraph[Any, Any, Any, Any]:
    def answer(state: DeltaConversation) -> dict[str, list[str]]:
        return {"messages": [f"{state['messages'][-1]}!"]}

    return StateGraph(DeltaConversation).add_node("answer", answer).add_edge(START, "answer").compile(saver)


async def test_a_pruned_thread_still_knows_all_it_was_told(saver: Checkpointer) -> None:
    """What its channels are rebuilt from is not removed."""
    for word in ("one", "two"):
        await talk(saver).ainvoke({"document": "d", "messages": [word]}, THREAD)
    await saver.aprune(["t"])
    told = await talk(saver).ainvoke({"document": "d", "messages": ["three"]}, THREAD)
    assert told["messages"] == ["one", "one!", "two", "two!", "three", "three!"]
