"""`ccoe serve`: one per data directory, found by the other commands, stopped in order."""

import asyncio
import json
import signal
import socket
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from orchestrator.data_directory import running_service
from orchestrator.settings import Settings
from tests.orchestrator.processes import ccoe, line_with, process
from tests.orchestrator.scripted_experts import A_STEP_THAT_WAITS, TWO_STEPS


@pytest.fixture
async def serving() -> AsyncGenerator[Process]:
    async with process("scripted_ccoe", "serve", "--port", "0") as running:
        await line_with("serving at", running)
        yield running


def url(settings: Settings) -> str:
    running = running_service(settings.data_dir)
    assert running is not None
    return running.url


async def test_a_second_serve_is_refused_and_told_of_the_first(serving: Process, settings: Settings) -> None:
    code, _, errors = await ccoe("serve", "--port", "0")
    assert code == 1
    assert f"process {serving.pid} at {url(settings)}" in errors
    assert "CCOE_DATA_DIR" in errors


async def test_ask_uses_the_running_service(serving: Process, settings: Settings, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps(TWO_STEPS))
    code, output, _ = await ccoe("ask", "how many?", "--json", "--plan", str(plan))
    assert code == 0
    document = json.loads(output)
    async with httpx.AsyncClient(base_url=url(settings)) as client:
        kept = (await client.get(f"/api/runs/{document['run_id']}")).json()
        other = (await client.post("/api/runs", json={"task": "say 1"})).json()["id"]
        await ccoe("runs", "trace", other)  # to its end
        worker = (await client.get(f"/api/runs/{other}")).json()["worker"]
    assert kept["answer"] == document["answer"]
    assert kept["worker"] == worker


async def test_ctrl_c_in_ask_cancels_the_run_of_the_service(serving: Process, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps(A_STEP_THAT_WAITS))
    async with process("scripted_ccoe", "ask", "a task", "--plan", str(plan)) as asking:
        await line_with("#1 general", asking)
        asking.send_signal(signal.SIGINT)
        await asyncio.wait_for(asking.communicate(), 20)
        assert asking.returncode == 130
    assert "cancelled" in (await ccoe("runs", "list"))[1]
    assert serving.returncode is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_hands_runs_back_and_ends_streams_and_service(
    serving: Process, settings: Settings, number: signal.Signals
) -> None:
    """Whoever follows a run comes back with the last id; the announcement is taken back."""
    async with httpx.AsyncClient(base_url=url(settings), timeout=20) as client:
        run = (await client.post("/api/runs", json={"task": "a task", "plan": A_STEP_THAT_WAITS})).json()
        seen = ""
        with suppress(httpx.RemoteProtocolError):  # the stream is cut
            async with client.stream("GET", f"/api/runs/{run['id']}/events") as stream:
                async for text in stream.aiter_text():
                    if "step_token" in text and "step_token" not in seen:
                        serving.send_signal(number)
                    seen += text
    assert "run_finished" not in seen
    async with asyncio.timeout(20):
        assert await serving.wait() == 0
    assert running_service(settings.data_dir) is None
    assert not (settings.data_dir / "serve.json").exists()
    document = json.loads((await ccoe("runs", "show", run["id"], "--json"))[1])
    assert document["status"] == "pending"


async def test_runs_cancel_reaches_the_service(serving: Process, settings: Settings) -> None:
    async with httpx.AsyncClient(base_url=url(settings), timeout=20) as client:
        run = (await client.post("/api/runs", json={"task": "a task", "plan": A_STEP_THAT_WAITS})).json()
        assert (await ccoe("runs", "cancel", run["id"]))[0] == 0
        assert (await client.get(f"/api/runs/{run['id']}")).json()["status"] == "cancelled"
    assert (await ccoe("runs", "cancel", run["id"]))[0] == 1


async def test_a_taken_port_is_reported_before_anything_is_loaded(settings: Settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, output, errors = await ccoe("serve", "--port", str(port))
    assert (code, output) == (1, "")
    assert errors.splitlines()[0].startswith(f"error: cannot listen on 127.0.0.1:{port}: ")
    assert "loading" not in errors
    assert not (settings.data_dir / "valkey").exists()
