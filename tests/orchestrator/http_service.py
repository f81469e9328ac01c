"""The API over real HTTP: uvicorn on a free port, in the loop of the test."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx

from orchestrator.api_key import KeyPolicy
from orchestrator.auth import Auth
from orchestrator.http_server import HttpServer
from orchestrator.listening_socket import listening_socket, url_of
from orchestrator.service import Service

TOKEN = "the token of a data directory"


@asynccontextmanager
async def http_client(service: Service, policy: KeyPolicy = "experts") -> AsyncGenerator[httpx.AsyncClient]:
    """A client of the service, as the command line beside it; the server is stopped as a signal would."""
    with listening_socket("127.0.0.1", 0) as bound:
        server = HttpServer(service, Auth(service.api_keys, policy, TOKEN))
        serving = asyncio.create_task(server.serve(sockets=[bound]))
        async with httpx.AsyncClient(base_url=url_of(bound), headers=bearer(TOKEN), timeout=20) as client:
            yield client
        server.stop()
        await serving


def bearer(secret: str) -> dict[str, str]:
    """The header that carries a key."""
    return {"Authorization": f"Bearer {secret}"}
