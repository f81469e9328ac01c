"""One worker in a process of its own, with simulated experts."""

import asyncio
import multiprocessing
import signal
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event

from orchestrator.benchmark.simulated_host import open_simulated
from orchestrator.service import Service
from orchestrator.settings import Settings

_START_SECONDS = 120


@asynccontextmanager
async def worker_process(settings: Settings, seconds: Mapping[str, float]) -> AsyncGenerator[int]:
    """Inside it the worker takes runs; its process id. `seconds` by the text of a step.

    Raises TimeoutError if it does not come up.
    """
    context = multiprocessing.get_context("spawn")
    is_ready = context.Event()
    worker = context.Process(target=serve, args=(settings, seconds, is_ready))
    worker.start()
    try:
        if not await asyncio.to_thread(_is_up, worker, is_ready) or worker.pid is None:
            raise TimeoutError(f"the worker has died, or was not there within {_START_SECONDS} s")
        yield worker.pid
    finally:
        worker.terminate()
        await asyncio.to_thread(worker.join)


def _is_up(worker: BaseProcess, is_ready: Event) -> bool:
    for _ in range(_START_SECONDS):
        if is_ready.wait(1) or not worker.is_alive():
            break
    return is_ready.is_set()


def serve(settings: Settings, seconds: Mapping[str, float], is_ready: Event) -> None:
    """The process of the worker, until SIGTERM."""
    asyncio.run(_serve(settings, seconds, is_ready))


async def _serve(settings: Settings, seconds: Mapping[str, float], is_ready: Event) -> None:
    is_over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, is_over.set)
    async with Service.open(settings, open_simulated(seconds)):
        is_ready.set()
        await is_over.wait()
