"""Experts are read beside the engine's thread, once, whatever happens to them or to the engine meanwhile."""

import asyncio
import threading
from pathlib import Path

import pytest

from experts.engine.async_engine import AsyncEngine
from experts.engine.events import TokenEvent
from experts.engine.expert_loader import LoadedExpert
from experts.errors import EngineClosed, UnknownExpert
from experts.prompt import PromptParts
from experts.sampling_params import SamplingParams

TASK = PromptParts("Say something about the weather")


async def collect(engine: AsyncEngine, expert: str, params: SamplingParams) -> list[TokenEvent]:
    return [event async for event in engine.generate(expert, TASK, params)]


class Reading:
    """Holds back the reading of experts until it is told to go on."""

    def __init__(self, engine: AsyncEngine) -> None:
        loader = engine._pool.loader  # pyright: ignore[reportPrivateUsage]
        self._load, self._may_go_on = loader.load, threading.Event()
        self.began, self.threads = threading.Event(), list[str]()
        loader.load = self._read
        engine._loading._load = self._read  # pyright: ignore[reportPrivateUsage]

    def _read(self, directory: Path | None) -> LoadedExpert:
        self.threads.append(threading.current_thread().name)
        self.began.set()
        assert self._may_go_on.wait(60)
        return self._load(directory)

    def go_on(self) -> None:
        self._may_go_on.set()


async def test_an_expert_is_read_once_and_beside_the_engines_thread(engine: AsyncEngine) -> None:
    reading = Reading(engine)
    prefetching = asyncio.gather(engine.prefetch("law"), engine.prefetch("law"))
    await asyncio.to_thread(reading.began.wait)
    before = (await engine.metrics()).expert_bytes
    reading.go_on()
    await prefetching

    assert (await engine.metrics()).expert_bytes > before
    assert await collect(engine, "law", SamplingParams(max_tokens=3))
    assert len(reading.threads) == 1 and "ccoe-engine" not in reading.threads
    with pytest.raises(UnknownExpert):
        await engine.prefetch("finance")


async def test_an_expert_that_is_detached_while_it_is_read_does_not_answer(engine: AsyncEngine) -> None:
    reading = Reading(engine)
    asking = asyncio.create_task(collect(engine, "law", SamplingParams()))
    await asyncio.to_thread(reading.began.wait)
    await engine.pop("law")
    reading.go_on()

    with pytest.raises(UnknownExpert):
        await asking
    assert engine.num_sequences == 0


async def test_an_engine_that_closes_while_an_expert_is_read_leaves_nobody_waiting(engine: AsyncEngine) -> None:
    reading = Reading(engine)
    asking = asyncio.create_task(collect(engine, "law", SamplingParams()))
    await asyncio.to_thread(reading.began.wait)
    await engine.close()
    reading.go_on()

    with pytest.raises(EngineClosed):
        await asking


async def test_a_detached_idle_expert_leaves_the_memory_at_once(engine: AsyncEngine) -> None:
    before = (await engine.metrics()).expert_bytes
    await engine.prefetch("law")
    await engine.pop("law")

    assert (await engine.metrics()).expert_bytes == before
