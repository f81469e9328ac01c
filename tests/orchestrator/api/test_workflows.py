"""Workflows over HTTP: registered ones are listed, and run by their name or as they are sent."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from orchestrator.errors import RunNotResumableError
from orchestrator.run import Run, RunStatus
from orchestrator.service import Service
from tests.orchestrator.conditions import until
from tests.orchestrator.scripted_experts import ScriptedExperts

GREETING = {
    "name": "greeting",
    "description": "Greets.",
    "inputs": {"properties": {"who": {"type": "string"}}, "required": ["who"]},
    "steps": {
        "hello": {"expert": "general", "prompt": "say hello {{ inputs.who }}"},
        "sum": {"tool": "calculator", "arguments": {"expression": "2 * {{ steps.hello.result | length }}"}},
    },
    "output": "{{ steps.hello.result }}, {{ steps.sum.result }}",
}
WAITING = {
    "name": "waiting",
    "inputs": {"properties": {"says": {"type": "array"}}},
    "steps": {"each": {"for_each": "inputs.says", "concurrency": 1, "expert": "general", "prompt": "{{ item }}"}},
}


@pytest.fixture(autouse=True)
def directory(environment: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "workflows"
    folder.mkdir()
    monkeypatch.setenv("CCOE_WORKFLOWS", str(folder))
    return folder


async def finished(service: Service, run_id: str) -> Run:
    async with asyncio.timeout(20):
        return await service.wait(run_id)


async def started(client: httpx.AsyncClient, **body: Any) -> str:
    response = await client.post("/api/runs", json=body)
    assert response.status_code == 202, response.text
    return str(response.json()["id"])


async def test_a_definition_is_run_and_kept_in_the_record(client: httpx.AsyncClient, service: Service) -> None:
    run = await finished(service, await started(client, workflow=GREETING, inputs={"who": "Ann"}))
    assert (run.status, run.answer) == (RunStatus.SUCCESS, "hello Ann, 18")
    assert run.workflow is not None and run.workflow.name == "greeting" and run.inputs == {"who": "Ann"}
    assert run.plan is not None and [step.name for step in run.plan.steps] == ["hello", "sum"]
    assert run.task == "Greets."
    events = await client.get(f"/api/runs/{run.id}/events")
    assert "event: planned" in events.text and '"source":"output"' in events.text


async def test_registered_ones_are_listed_and_run_by_name(
    client: httpx.AsyncClient, service: Service, directory: Path
) -> None:
    (directory / "hi.yaml").write_text("name: hi\nsteps: {a: {expert: general, prompt: say hi}}\n")
    (directory / "bad.yaml").write_text("name: bad\n")
    listed = (await client.get("/api/workflows")).json()["workflows"]
    assert [(one["name"], one["steps"], len(one["faults"])) for one in listed] == [
        ("bad.yaml", [], 1),
        ("hi", ["a"], 0),
    ]
    run_id = await started(client, workflow="hi")
    (directory / "hi.yaml").write_text("name: hi\nsteps: {a: {expert: general, prompt: say something else}}\n")
    assert (await finished(service, run_id)).answer == "hi"


async def test_what_is_wrong_is_said_at_once(client: httpx.AsyncClient) -> None:
    steps = {"a": {"expert": "poet", "prompt": "x"}, "b": {"tool": "shell"}, "c": {"tool": "calculator"}}
    response = await client.post("/api/runs", json={"workflow": {"name": "x", "steps": steps}})
    error = response.json()["error"]
    assert (response.status_code, error["type"]) == (422, "invalid_workflow")
    for part in ("no expert 'poet'", "no tool 'shell'", "step 'c': arguments: $: 'expression' is a required property"):
        assert part in error["message"]
    response = await client.post("/api/runs", json={"workflow": GREETING, "inputs": {"whom": "Ann"}})
    assert (response.status_code, response.json()["error"]["type"]) == (422, "invalid_inputs")
    response = await client.post("/api/runs", json={"workflow": GREETING, "task": "x"})
    assert response.status_code == 422
    assert (await client.post("/api/runs", json={"workflow": "none"})).status_code == 422


async def test_finished_iterations_are_not_run_again_by_a_resumed_run(
    client: httpx.AsyncClient, service: Service, experts: ScriptedExperts
) -> None:
    run_id = await started(client, workflow=WAITING, inputs={"says": ["say one", "say two", "wait"]})

    async def has_two_parts() -> bool:
        return [entry.event.type for entry in await service.traces.read(run_id)].count("part_finished") == 2

    await until(has_two_parts, "two items are done")
    with pytest.raises(RunNotResumableError):
        await service.resume(run_id)
    await service.cancel(run_id)
    await until(lambda: _is_set(experts), "the third one was stopped")
    asked = experts.num_asked
    experts.released.set()
    run = await finished(service, (await service.resume(run_id)).id)
    assert run.answer == "one\ntwo\nwaiting wait"
    assert experts.num_asked == asked + 1


async def _is_set(experts: ScriptedExperts) -> bool:
    return experts.closed.is_set()


async def test_a_repeated_request_gets_the_same_run_and_another_one_is_refused(client: httpx.AsyncClient) -> None:
    body = {"workflow": GREETING, "inputs": {"who": "Ann"}, "idempotency_key": "night 7"}
    assert await started(client, **body) == await started(client, **body)
    response = await client.post("/api/runs", json={**body, "inputs": {"who": "Ben"}})
    assert response.status_code == 422 and "has another inputs" in response.json()["error"]["message"]


async def test_a_fork_sets_results_only(client: httpx.AsyncClient, service: Service) -> None:
    run_id = await started(client, workflow=GREETING, inputs={"who": "Ann"})
    await finished(service, run_id)
    fork = f"/api/runs/{run_id}/fork"
    assert (await client.post(fork, json={"step": 1, "set": {"text": "say bye"}})).status_code == 422
    response = await client.post(fork, json={"step": 1, "set": {"result": "bye"}})
    assert (await finished(service, response.json()["id"])).answer == "bye, 6"
