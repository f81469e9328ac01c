"""Runs over HTTP: create, read, follow, answer, cancel."""

import asyncio
import json
from typing import NamedTuple

import httpx
import pytest
from httpx_sse import aconnect_sse

from tests.orchestrator.conditions import until
from tests.orchestrator.scripted_experts import (
    A_STEP_FOR_A_PERSON,
    A_STEP_THAT_FAILS,
    A_STEP_THAT_WAITS,
    TWO_STEPS,
    ScriptedExperts,
)


class Event(NamedTuple):
    """A server-sent event."""

    id: str
    name: str
    data: str


async def created(client: httpx.AsyncClient, **body: object) -> str:
    response = await client.post("/api/runs", json=body)
    assert response.status_code == 202, response.text
    return str(response.json()["id"])


async def followed(client: httpx.AsyncClient, run_id: str, after: str | None = None) -> list[Event]:
    headers = {"Last-Event-ID": after} if after else {}
    async with (
        asyncio.timeout(20),
        aconnect_sse(client, "GET", f"/api/runs/{run_id}/events", headers=headers) as source,
    ):
        source.response.raise_for_status()
        return [Event(event.id, event.event, event.data) async for event in source.aiter_sse()]


async def test_a_run_is_accepted_followed_and_read(client: httpx.AsyncClient) -> None:
    response = await client.post("/api/runs", json={"task": "how many patients?", "plan": TWO_STEPS})
    assert response.status_code == 202
    assert response.headers["Location"] == f"/api/runs/{response.json()['id']}"
    events = await followed(client, response.json()["id"])
    kinds = [event.name for event in events]
    assert kinds[:2] == ["run_started", "planned"]
    assert kinds[-2:] == ["answered", "run_finished"]
    assert {"step_started", "step_token", "step_finished"} <= set(kinds)
    assert all(json.loads(event.data)["type"] == event.name for event in events)
    run = (await client.get(response.headers["Location"])).json()
    assert (run["status"], run["steps"]["1"]["result"]) == ("success", "48")
    assert "48 patients" in run["answer"]


async def test_limits_of_a_run(client: httpx.AsyncClient) -> None:
    run_id = await created(client, task="how many?", plan=TWO_STEPS, limits={"steps": 1})
    await followed(client, run_id)
    run = (await client.get(f"/api/runs/{run_id}")).json()
    assert (run["status"], run["error"]["type"]) == ("budget_exhausted", "budget_exhausted")
    assert run["limits"] == {"tokens": None, "seconds": None, "steps": 1, "tool_calls": None}
    wrong = await client.post("/api/runs", json={"task": "x", "limits": {"steps": 0, "pages": 1}})
    assert wrong.status_code == 422
    assert "limits.steps" in wrong.text and "limits.pages" in wrong.text


async def test_a_stream_is_resumed_behind_the_last_id(client: httpx.AsyncClient) -> None:
    run_id = await created(client, task="a task", plan=TWO_STEPS)
    events = await followed(client, run_id)
    for place, event in enumerate(events, start=1):
        assert await followed(client, run_id, event.id) == events[place:]


async def test_events_come_while_the_run_goes_on(client: httpx.AsyncClient, experts: ScriptedExperts) -> None:
    run_id = await created(client, task="a task", plan=A_STEP_THAT_WAITS)
    seen: list[str] = []
    async with asyncio.timeout(20), aconnect_sse(client, "GET", f"/api/runs/{run_id}/events") as source:
        async for event in source.aiter_sse():
            seen.append(event.event)
            if event.event == "step_token" and not experts.released.is_set():
                assert (await client.get(f"/api/runs/{run_id}")).json()["status"] == "running"
                experts.released.set()
    assert seen[-1] == "run_finished"


async def test_a_run_is_cancelled_once(client: httpx.AsyncClient) -> None:
    run_id = await created(client, task="a task", plan=A_STEP_THAT_WAITS)
    cancelled = await client.post(f"/api/runs/{run_id}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    again = await client.post(f"/api/runs/{run_id}/cancel")
    assert (again.status_code, again.json()["error"]["type"]) == (409, "run_ended")
    last = json.loads((await followed(client, run_id))[-1].data)
    assert (last["type"], last["status"]) == ("run_finished", "cancelled")


async def test_a_person_is_asked_and_of_two_answers_at_once_one_holds(client: httpx.AsyncClient) -> None:
    """Who follows the run is told that it waits, and hears of the rest on the same stream."""
    run_id = await created(client, task="a task", plan=A_STEP_FOR_A_PERSON)
    path, statuses, seen = f"/api/runs/{run_id}/steps/2/answer", list[int](), list[Event]()
    early = await client.post(f"/api/runs/{run_id}/steps/3/answer", json={"decision": "approve"})
    assert (early.status_code, early.json()["error"]["type"]) == (409, "not_asked")
    async with asyncio.timeout(20), aconnect_sse(client, "GET", f"/api/runs/{run_id}/events") as source:
        async for event in source.aiter_sse():
            seen.append(Event(event.id, event.event, event.data))
            if event.event == "run_interrupted":
                run = (await client.get(f"/api/runs/{run_id}")).json()
                assert (run["status"], run["questions"]["2"]["wanted"]["text"]) == ("interrupted", "Pay 48?")
                bodies = [{"decision": "approve"}, {"decision": "reject", "text": "too dear"}]
                answers = await asyncio.gather(*(client.post(path, json=body) for body in bodies))
                statuses += sorted(answer.status_code for answer in answers)
                [refused] = [answer for answer in answers if answer.status_code == 409]
                assert refused.json()["error"]["type"] == "already_answered"
                assert "was answered by anonymous at 20" in refused.json()["error"]["message"]
    assert statuses == [200, 409]
    wanted = [json.loads(event.data)["step"] for event in seen if event.name == "answer_wanted"]
    assert (wanted, seen[-1].name) == ([2], "run_finished")
    [interrupted] = [event.id for event in seen if event.name == "run_interrupted"]
    again = await followed(client, run_id, interrupted)
    assert again == seen[[event.id for event in seen].index(interrupted) + 1 :]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"decision": "text", "text": "green"}, "answer_refused"),
        ({"decision": "maybe"}, "request_invalid"),
        ({"decision": "text"}, "request_invalid"),
        ({}, "request_invalid"),
    ],
)
async def test_an_answer_that_is_none(client: httpx.AsyncClient, answer: dict[str, str], kind: str) -> None:
    step = {**A_STEP_FOR_A_PERSON[1], "id": 1, "text": "Which?", "question": {"choices": ["red", "blue"]}}
    run_id = await created(client, task="a task", plan=[step])

    async def is_asked() -> bool:
        return bool((await client.get(f"/api/runs/{run_id}")).json()["questions"])

    await until(is_asked, "the person is asked")
    refused = await client.post(f"/api/runs/{run_id}/steps/1/answer", json=answer)
    assert (refused.status_code, refused.json()["error"]["type"]) == (422, kind)
    assert (await client.post(f"/api/runs/{run_id}/cancel")).json()["status"] == "cancelled"
    late = await client.post(f"/api/runs/{run_id}/steps/1/answer", json={"decision": "text", "text": "red"})
    assert (late.status_code, late.json()["error"]["type"]) == (409, "run_ended")


async def test_a_request_that_is_repeated_with_its_key_makes_one_run(client: httpx.AsyncClient) -> None:
    body = {"task": "a task", "plan": TWO_STEPS}
    first, again = [
        (await client.post("/api/runs", json=body, headers={"Idempotency-Key": "order 7"})).json() for _ in range(2)
    ]
    assert first["id"] == again["id"]
    other = await client.post("/api/runs", json={"task": "another"}, headers={"Idempotency-Key": "order 7"})
    assert (other.status_code, other.json()["error"]["type"]) == (422, "run_refused")
    assert first["id"] in other.json()["error"]["message"]
    await followed(client, first["id"])


async def test_a_run_is_scheduled_as_it_was_asked_for(client: httpx.AsyncClient) -> None:
    concurrency = {"key": "shop", "limit": 1}
    body = {"task": "say 1", "priority": "low", "delay_seconds": 3600, "concurrency": concurrency}
    run = (await client.post("/api/runs", json=body)).json()
    assert (run["priority"], run["concurrency"], run["status"]) == ("low", concurrency, "pending")
    cancelled = await client.post(f"/api/runs/{run['id']}/cancel")
    assert cancelled.json()["status"] == "cancelled"


async def test_a_run_is_resumed_and_forked(client: httpx.AsyncClient) -> None:
    run_id = await created(client, task="a task", plan=A_STEP_THAT_FAILS)
    await followed(client, run_id)
    resumed = await client.post(f"/api/runs/{run_id}/resume")
    assert (resumed.status_code, resumed.json()["resumed_from"]) == (202, run_id)
    assert resumed.headers["Location"] == f"/api/runs/{resumed.json()['id']}"
    await followed(client, resumed.json()["id"])

    forked = await client.post(f"/api/runs/{run_id}/fork", json={"step": 1, "set": {"text": "say 50"}})
    assert forked.status_code == 202
    await followed(client, forked.json()["id"])
    run = (await client.get(forked.headers["Location"])).json()
    assert (run["status"], run["steps"]["1"]["result"]) == ("success", "50")

    again = await client.post(f"/api/runs/{run['id']}/resume")
    assert (again.status_code, again.json()["error"]["type"]) == (409, "run_not_resumable")
    for body, kind in (({"step": 2}, "run_refused"), ({"step": 1, "set": {"expert": "nobody"}}, "invalid_plan")):
        refused = await client.post(f"/api/runs/{run_id}/fork", json=body)
        assert (refused.status_code, refused.json()["error"]["type"]) == (422, kind)


async def test_the_newest_runs_are_listed(client: httpx.AsyncClient) -> None:
    made = [await created(client, task=f"say {k}") for k in range(3)]
    for run_id in made:
        await followed(client, run_id)
    listed = (await client.get("/api/runs", params={"limit": 2})).json()["runs"]
    assert [run["id"] for run in listed] == made[:0:-1]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({}, "run_refused"),
        ({"task": "  "}, "task"),
        ({"task": "x" * 30_000}, "task"),
        ({"task": "a task", "plan": [{"id": 1, "text": "a", "expert": "nobody"}]}, "invalid_plan"),
        ({"task": "a task", "plan": {"steps": []}}, "invalid_plan"),
        ({"task": "a task", "thread": "t"}, "request_invalid"),
        ({"task": 7}, "request_invalid"),
        ({"task": "a task", "priority": "urgent"}, "request_invalid"),
        ({"task": "a task", "delay_seconds": -1}, "request_invalid"),
        ({"task": "a task", "concurrency": {"key": "a:b", "limit": 1}}, "request_invalid"),
        ({"task": "a task", "concurrency": {"key": "ab", "limit": 0}}, "request_invalid"),
    ],
)
async def test_bad_input_gets_the_one_error_body(client: httpx.AsyncClient, body: object, kind: str) -> None:
    response = await client.post("/api/runs", json=body)
    assert response.status_code == 422
    error = response.json()["error"]
    assert set(error) == {"type", "message", "remedy"}
    assert error["type"] == kind
    assert error["message"]


async def test_broken_json_gets_the_one_error_body(client: httpx.AsyncClient) -> None:
    response = await client.post("/api/runs", content=b"{", headers={"Content-Type": "application/json"})
    assert (response.status_code, response.json()["error"]["type"]) == (422, "request_invalid")


@pytest.mark.parametrize("path", ["/api/runs/01a2", "/api/runs/01a2/events", "/runs", "/threads", "/nothing"])
async def test_what_is_not_there_gets_the_one_error_body(client: httpx.AsyncClient, path: str) -> None:
    response = await client.get(path)
    assert response.status_code == 404
    assert set(response.json()["error"]) == {"type", "message", "remedy"}


async def test_a_last_id_that_is_none_is_refused(client: httpx.AsyncClient) -> None:
    run_id = await created(client, task="say 1")
    response = await client.get(f"/api/runs/{run_id}/events", headers={"Last-Event-ID": "yesterday"})
    assert response.status_code == 422
    await followed(client, run_id)
