"""The API over real HTTP: uvicorn on a free port, in the loop of the test."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx

from orchestrator.http_server import HttpServer
from orchestrator.listening_socket import listening_socket, url_of
from orchestrator.service import Service


@asynccontextmanager
async def http_client(service: Service) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of the service; the server is stopped as a signal would."""
    with listening_socket("127.0.0.1", 0) as bound:
        server = HttpServer(service)
        serving = asyncio.create_task(server.serve(sockets=[bound]))
        async with httpx.AsyncClient(base_url=url_of(bound), timeout=20) as client:
            yield client
        server.stop()
        await serving
