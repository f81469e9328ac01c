"""A graph that repeats words in capitals, and its threads."""

import operator
from typing import Annotated, Any, TypedDict

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from redis.asyncio import Redis

from graphs.state import STATE_CLASSES
from orchestrator.checkpoint_store import CheckpointStore
from orchestrator.checkpointer import Checkpointer
from orchestrator.keys import Keys

TTL_SECONDS = 600


class Words(TypedDict):
    words: Annotated[list[str], operator.add]


def a_checkpointer(redis: Redis, tenant: str = "default") -> Checkpointer:
    return Checkpointer(CheckpointStore(redis, Keys(tenant), TTL_SECONDS), STATE_CLASSES)


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


async def newest(saver: Checkpointer) -> CheckpointTuple:
    found = await saver.aget_tuple(thread())
    assert found is not None
    return found
