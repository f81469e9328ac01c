"""A thread that grows, and what its steps add to Redis: `python -m tests.orchestrator.growing_thread` prints it."""

import asyncio
import operator
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langchain_core.runnables import RunnableConfig
from langgraph.channels import DeltaChannel
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Durability
from redis.asyncio import Redis
from redis.client import NEVER_DECODE

from orchestrator.checkpoint_store import CheckpointStore
from orchestrator.checkpointer import Checkpointer
from orchestrator.embedded_valkey import EmbeddedValkey
from orchestrator.keys import Keys

NUM_STEPS = 200
_DOCUMENT = "d" * 10_000
_MESSAGE = "m" * 200
_KEYS = Keys("default")


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


async def milliseconds(saver: BaseCheckpointSaver[str] | None, durability: Durability | None) -> str:
    """What a superstep takes whose node does nothing, and how much of it is this process's; the least of some runs."""

    def count(state: _Count) -> _Count:
        return {"number": state["number"] + 1}

    def onward(state: _Count) -> str:
        return "count" if state["number"] < NUM_STEPS else END

    graph = StateGraph(_Count).add_node("count", count).add_edge(START, "count")
    compiled = graph.add_conditional_edges("count", onward).compile(checkpointer=saver)
    wall, processor = list[float](), list[float]()
    for attempt in range(8):
        config: RunnableConfig = {"configurable": {"thread_id": str(attempt)}, "recursion_limit": NUM_STEPS + 10}
        started = time.perf_counter(), time.process_time()
        await compiled.ainvoke({"number": 0}, config, durability=durability)
        wall.append(time.perf_counter() - started[0])
        processor.append(time.process_time() - started[1])
    return f"{1000 * min(wall) / NUM_STEPS:.2f} ({1000 * min(processor) / NUM_STEPS:.2f})"


class _Count(TypedDict):
    number: int


async def _main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with EmbeddedValkey(Path(folder)) as valkey, Redis(unix_socket_path=str(valkey.socket)) as redis:
            plain, copies = await grow(redis, Conversation, "plain")
            deltas, _ = await grow(redis, DeltaConversation, "deltas")
            saver = Checkpointer(CheckpointStore(redis, _KEYS, ttl_seconds=600), ())
            nothing = await milliseconds(None, None)
            memory = await milliseconds(InMemorySaver(), "sync")
            times = {durability: await milliseconds(saver, durability) for durability in ("async", "sync")}
    for number in (10, 50, 100, NUM_STEPS):
        sys.stdout.write(f"| {number} | {copies[number - 1]:,} | {plain[number - 1]:,} | {deltas[number - 1]:,} |\n")
    ours = ", ".join(f"{name} {milliseconds}" for name, milliseconds in times.items())
    sys.stdout.write(f"milliseconds a superstep: no checkpointer {nothing}, in memory {memory}, {ours}\n")


if __name__ == "__main__":
    asyncio.run(_main())
