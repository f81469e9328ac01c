"""Health tells whether runs can be executed."""

import os
import signal
from pathlib import Path

import httpx

from orchestrator.embedded_valkey import EmbeddedValkey
from orchestrator.service import Service
from orchestrator.settings import read_settings
from tests.orchestrator.http_service import http_client
from tests.orchestrator.scripted_experts import open_scripted_experts


async def test_all_is_well(client: httpx.AsyncClient) -> None:
    response = await client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"redis": "ok", "engine": "ok"})


async def test_redis_is_gone(tmp_path: Path) -> None:
    """Requests are answered with 503 and the reason; nothing hangs."""
    async with EmbeddedValkey(tmp_path / "mortal") as valkey:
        settings = read_settings(redis_url=f"unix://{valkey.socket}")
        async with Service.open(settings, open_scripted_experts) as service, http_client(service) as client:
            os.kill(int((tmp_path / "mortal" / "valkey" / "valkey.pid").read_text()), signal.SIGKILL)
            response = await client.get("/healthz")
            assert (response.status_code, response.json()["engine"]) == (503, "ok")
            assert response.json()["redis"] != "ok"
            refused = await client.post("/api/runs", json={"task": "say 1"})
            assert (refused.status_code, refused.json()["error"]["type"]) == (503, "redis_unavailable")
