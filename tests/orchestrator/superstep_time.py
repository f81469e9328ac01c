"""What a superstep whose node does nothing takes: `python -m tests.orchestrator.superstep_time` prints it."""

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import TypedDict

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Durability
from redis.asyncio import Redis

from orchestrator.checkpoint_store import CheckpointStore
from orchestrator.checkpointer import Checkpointer
from orchestrator.embedded_valkey import EmbeddedValkey
from orchestrator.keys import Keys

NUM_STEPS = 200


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
            saver = Checkpointer(CheckpointStore(redis, Keys("default"), ttl_seconds=600), ())
            nothing = await milliseconds(None, None)
            memory = await milliseconds(InMemorySaver(), "sync")
            times = {durability: await milliseconds(saver, durability) for durability in ("async", "sync")}
    ours = ", ".join(f"{name} {milliseconds}" for name, milliseconds in times.items())
    sys.stdout.write(f"milliseconds a superstep: no checkpointer {nothing}, in memory {memory}, {ours}\n")


if __name__ == "__main__":
    asyncio.run(_main())
