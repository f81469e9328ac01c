"""What the service itself costs: runs of five steps that take no time, asked for and followed over HTTP."""

import asyncio
import multiprocessing
import signal
import socket
import statistics
import time
from dataclasses import dataclass
from multiprocessing.synchronize import Event

import httpx
from httpx_sse import aconnect_sse

from orchestrator.auth import Auth
from orchestrator.benchmark.simulated_host import open_simulated
from orchestrator.http_server import HttpServer
from orchestrator.listening_socket import listening_socket, url_of
from orchestrator.service import Service
from orchestrator.settings import Settings

NUM_STEPS = 5
"""Of a run, one after another."""
_START_SECONDS = 120


@dataclass(frozen=True, slots=True)
class HttpThroughput:
    """Of one sitting; a run is over for its caller when `run_finished` has come."""

    milliseconds_alone: float
    """Median of a run, one at a time."""
    num_at_once: int
    steps_per_second: float
    """Of as many runs at once."""


async def http_throughput(settings: Settings, num_alone: int = 20, num_at_once: int = 100) -> HttpThroughput:
    """Measure a service in a process of its own, on the Redis of the settings."""
    context = multiprocessing.get_context("spawn")
    is_ready = context.Event()
    allowed = settings.model_copy(update={"max_concurrent_runs": num_at_once})
    with listening_socket("127.0.0.1", 0) as bound:
        server = context.Process(target=serve, args=(allowed, bound, is_ready))
        server.start()
        try:
            await asyncio.to_thread(is_ready.wait, _START_SECONDS)
            async with httpx.AsyncClient(base_url=url_of(bound), timeout=_START_SECONDS) as client:
                await _run(client)  # whatever is loaded on first use
                alone = [await _run(client) for _ in range(num_alone)]
                began = time.perf_counter()
                await asyncio.gather(*(_run(client) for _ in range(num_at_once)))
                seconds = time.perf_counter() - began
        finally:
            server.terminate()
            await asyncio.to_thread(server.join)
    return HttpThroughput(1000 * statistics.median(alone), num_at_once, num_at_once * NUM_STEPS / seconds)


def serve(settings: Settings, bound: socket.socket, is_ready: Event) -> None:
    """The process of the service, until SIGTERM."""
    asyncio.run(_serve(settings, bound, is_ready))


async def _serve(settings: Settings, bound: socket.socket, is_ready: Event) -> None:
    async with Service.open(settings, open_simulated({})) as service:
        server = HttpServer(service, Auth(service.api_keys, "none", ""))
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.stop)
        is_ready.set()
        await server.serve(sockets=[bound])


async def _run(client: httpx.AsyncClient) -> float:
    """Seconds from the request to its end. Raises RuntimeError if the run has not succeeded."""
    steps = [
        {"id": k, "text": f"#{k - 1} and on" if k > 1 else "begin", "expert": "general"}
        for k in range(1, NUM_STEPS + 1)
    ]
    began = time.perf_counter()
    run_id = (await client.post("/api/runs", json={"plan": steps})).raise_for_status().json()["id"]
    async with aconnect_sse(client, "GET", f"/api/runs/{run_id}/events") as source:
        async for event in source.aiter_sse():
            if event.event == "run_finished":
                if event.json()["status"] != "success":
                    raise RuntimeError(f"run {run_id} ended as {event.data}")
                return time.perf_counter() - began
    raise RuntimeError(f"the events of run {run_id} broke off")
