"""A thread that grows: the bytes that its steps add to Redis."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, TypedDict

from langchain_core.runnables import RunnableConfig
from langgraph.channels import DeltaChannel
from langgraph.graph import END, START, StateGraph
from redis.asyncio import Redis
from redis.client import NEVER_DECODE

from graphs.benchmark.dispatch_benchmark import OnProgress
from orchestrator.checkpoint_store import CheckpointStore
from orchestrator.checkpointer import Checkpointer
from orchestrator.keys import Keys

NUM_STEPS = 200
_DOCUMENT = "d" * 10_000
_MESSAGE = "m" * 200
_KEYS = Keys("default")


@dataclass(frozen=True, slots=True)
class ThreadGrowth:
    """Bytes that each superstep of a thread adds."""

    whole: tuple[int, ...]
    """If each stored the whole state."""
    ordinary: tuple[int, ...]
    """Here, the messages in an ordinary channel."""
    deltas: tuple[int, ...]
    """Here, the messages in a DeltaChannel."""


def _extend(messages: list[str], added: Sequence[list[str]]) -> list[str]:
    return messages + [message for batch in added for message in batch]


class Conversation(TypedDict):
    """A document that stays and messages, of which each version is stored whole."""

    document: str
    messages: Annotated[list[str], operator.add]


class DeltaConversation(TypedDict):
    """The same; of the messages only what is new is stored."""

    document: str
    messages: Annotated[list[str], DeltaChannel(_extend, snapshot_frequency=1000)]


async def stored_bytes(redis: Redis, thread_id: str) -> int:
    """Bytes of all members, fields and values of a thread."""
    checkpoints, writes, channels = _KEYS.of_thread(thread_id)
    total = 0
    for command in (
        ("ZRANGE", checkpoints, 0, -1),
        ("ZRANGE", writes, 0, -1),
        ("HKEYS", channels),
        ("HVALS", channels),
    ):
        parts: Any = await redis.execute_command(*command, **{NEVER_DECODE: []})
        total += sum(len(part) for part in parts)
    return total


async def grow(redis: Redis, schema: Any, thread_id: str) -> tuple[list[int], list[int]]:
    """By step, the bytes that it adds: with our checkpointer, and if each step stored the whole state instead."""
    saver = Checkpointer(CheckpointStore(redis, _KEYS, ttl_seconds=600), ())
    sizes, copies = list[int](), list[int]()

    async def speak(state: Any) -> dict[str, Any]:
        sizes.append(await stored_bytes(redis, thread_id))
        copies.append(len(saver.serde.dumps_typed(state)[1]))
        return {"messages": [_MESSAGE]}

    def onward(_: Any) -> str:
        return "speak" if len(sizes) <= NUM_STEPS else END

    graph = StateGraph(schema).add_node("speak", speak).add_edge(START, "speak")
    compiled = graph.add_conditional_edges("speak", onward).compile(checkpointer=saver)
    thread: RunnableConfig = {"configurable": {"thread_id": thread_id}, "recursion_limit": NUM_STEPS + 10}
    await compiled.ainvoke({"document": _DOCUMENT, "messages": []}, thread, durability="sync")
    return [after - before for before, after in pairwise(sizes)], copies[1:]


async def thread_growth(redis: Redis, on_progress: OnProgress) -> ThreadGrowth:
    """Grow a thread in both ways. Raises RedisUnavailableError."""
    on_progress("growing threads", 0, 2)
    ordinary, whole = await grow(redis, Conversation, "ordinary")
    on_progress("growing threads", 1, 2)
    deltas, _ = await grow(redis, DeltaConversation, "deltas")
    on_progress("growing threads", 2, 2)
    return ThreadGrowth(tuple(whole), tuple(ordinary), tuple(deltas))
