"""Threads over HTTP: follow-ups see earlier turns, one run at a time, and a direct path where no plan is needed."""

import asyncio
import json

import httpx

from orchestrator.service import Service
from tests.orchestrator.api.test_runs import followed
from tests.orchestrator.conditions import until
from tests.orchestrator.scripted_experts import A_STEP_THAT_WAITS, TWO_STEPS, ScriptedExperts
from tests.orchestrator.test_webhook import SECRET


async def made(client: httpx.AsyncClient, **body: object) -> str:
    response = await client.post("/api/threads", json=body)
    assert response.status_code == 201, response.text
    assert response.headers["Location"] == f"/api/threads/{response.json()['id']}"
    return str(response.json()["id"])


async def started(client: httpx.AsyncClient, thread_id: str, **body: object) -> str:
    response = await client.post(f"/api/threads/{thread_id}/runs", json=body)
    assert response.status_code == 202, response.text
    assert response.json()["thread_id"] == thread_id
    return str(response.json()["id"])


async def test_a_thread_is_made_changed_listed_and_deleted(client: httpx.AsyncClient) -> None:
    thread_id = await made(client, thread_id="shop", metadata={"user": "ann"})
    assert (await client.post("/api/threads", json={"thread_id": "shop"})).json()["error"]["type"] == "thread_exists"
    assert (await client.post("/api/threads")).status_code == 201
    changed = await client.patch(f"/api/threads/{thread_id}", json={"metadata": {"topic": "bikes"}})
    assert changed.json()["metadata"] == {"user": "ann", "topic": "bikes"}
    listed = (await client.get("/api/threads", params={"limit": 1})).json()["threads"]
    assert [thread["id"] for thread in listed] == ["shop"]
    assert listed[0]["owner"] == "anonymous"
    assert (await client.delete("/api/threads/shop")).status_code == 204
    for path in ("", "/runs", "/turns"):
        missing = await client.get(f"/api/threads/shop{path}")
        assert (missing.status_code, missing.json()["error"]["type"]) == (404, "thread_not_found")
    assert (await client.post("/api/threads/shop/runs", json={"task": "x"})).status_code == 404


async def test_a_follow_up_sees_the_turns_before_it(client: httpx.AsyncClient, experts: ScriptedExperts) -> None:
    thread_id = await made(client)
    await followed(client, await started(client, thread_id, task="how many?", plan=TWO_STEPS))
    await settled(client, thread_id)
    asked = len(experts.prompts)
    follow_up = await started(client, thread_id, task="say hello", mode="direct")
    await followed(client, follow_up)
    await settled(client, thread_id)
    [first, second] = (await client.get(f"/api/threads/{thread_id}/turns")).json()["turns"]
    assert (first["task"], first["result"], second["answer"]) == ("how many?", "48 patients", "hello")
    seen = experts.prompts[asked:]
    assert seen and all([turn.task for turn in prompt.turns] == ["how many?"] for prompt in seen)
    assert all(not prompt.turns for prompt in experts.prompts[:asked])
    runs = (await client.get(f"/api/threads/{thread_id}/runs")).json()["runs"]
    assert [run["id"] for run in runs] == [follow_up, first["run_id"]]
    assert [turn["task"] for turn in runs[0]["turns"]] == ["how many?"]


async def settled(client: httpx.AsyncClient, thread_id: str) -> None:
    """A turn is there shortly after the run's last event."""

    async def is_idle() -> bool:
        return (await client.get(f"/api/threads/{thread_id}")).json()["status"] == "idle"

    await until(is_idle, "the thread is idle")


async def test_a_second_run_waits_and_sees_what_was_finished_when_its_turn_came(
    client: httpx.AsyncClient, experts: ScriptedExperts
) -> None:
    thread_id = await made(client)
    first = await started(client, thread_id, task="wait for me", plan=A_STEP_THAT_WAITS)
    second = await started(client, thread_id, task="say two")
    third = await started(client, await made(client), task="say three")
    await followed(client, third)  # another thread's run is not held back
    assert (await client.get(f"/api/runs/{second}")).json()["status"] == "pending"
    assert (await client.get(f"/api/threads/{thread_id}")).json()["status"] == "busy"
    experts.released.set()
    await followed(client, first)
    await followed(client, second)
    run = (await client.get(f"/api/runs/{second}")).json()
    assert [turn["task"] for turn in run["turns"]] == ["wait for me"]


async def test_a_run_that_would_not_wait_is_refused(client: httpx.AsyncClient, experts: ScriptedExperts) -> None:
    thread_id = await made(client)
    request = {"task": "wait", "if_busy": "reject", "idempotency_key": "order 7", "plan": A_STEP_THAT_WAITS}
    first = await started(client, thread_id, **request)
    refused = await client.post(f"/api/threads/{thread_id}/runs", json={"task": "x", "if_busy": "reject"})
    assert (refused.status_code, refused.json()["error"]["type"]) == (409, "thread_busy")
    assert await started(client, thread_id, **request) == first  # the same request again
    experts.released.set()
    await followed(client, first)
    await settled(client, thread_id)
    await followed(client, await started(client, thread_id, task="say x", if_busy="reject"))
    assert len((await client.get(f"/api/threads/{thread_id}/runs")).json()["runs"]) == 2


async def test_a_thread_is_deleted_while_its_runs_go_on(
    client: httpx.AsyncClient, experts: ScriptedExperts, service: Service
) -> None:
    thread_id = await made(client)
    first = await started(client, thread_id, task="wait", plan=A_STEP_THAT_WAITS)
    second = await started(client, thread_id, task="say two")

    async def is_asked() -> bool:
        return experts.num_asked > 0

    await until(is_asked, "the first run's expert is asked")
    assert (await client.delete(f"/api/threads/{thread_id}")).status_code == 204
    await asyncio.wait_for(experts.closed.wait(), 20)
    for run_id in (first, second):
        assert (await client.get(f"/api/runs/{run_id}")).status_code == 404


async def test_what_does_not_fit_a_thread_is_refused(client: httpx.AsyncClient) -> None:
    thread_id = await made(client)
    body = {"task": "x", "concurrency": {"key": "shop"}}
    refused = await client.post(f"/api/threads/{thread_id}/runs", json=body)
    assert (refused.status_code, refused.json()["error"]["type"]) == (422, "run_refused")
    alone = await client.post("/api/runs", json={"task": "x", "if_busy": "reject"})
    assert (alone.status_code, alone.json()["error"]["type"]) == (422, "run_refused")
    both = await client.post("/api/runs", json={"task": "x", "plan": TWO_STEPS, "mode": "direct"})
    assert "is for a task without a plan" in both.json()["error"]["message"]


async def test_the_direct_path_is_taken_where_the_gate_is_sure(client: httpx.AsyncClient) -> None:
    """The scripted gate has rules alone: one for `math` fires at `sum`."""
    for body, source, expert in (
        ({"task": "say sum"}, "gate", "math"),
        ({"task": "say sum", "mode": "plan"}, "planner", "general"),
        ({"task": "say hello"}, "planner", "general"),
        ({"task": "say hello", "mode": "direct"}, "gate", "general"),
    ):
        response = await client.post("/api/runs", json=body)
        events = [json.loads(event.data) for event in await followed(client, response.json()["id"])]
        [planned] = [event for event in events if event["type"] == "planned"]
        assert (planned["source"], planned["plan"]["steps"][0]["expert"]) == (source, expert)
        [answered] = [event for event in events if event["type"] == "answered"]
        if source == "gate":
            assert (answered["answer"], answered["source"]) == (body["task"].removeprefix("say "), "step")
            assert planned["plan"]["steps"][0]["scores"][expert] > 0
            told = "".join(event["text"] for event in events if event["type"] == "answer_token")
            assert told == answered["answer"]
        else:
            assert answered["source"] in ("joiner", "assembled")


async def test_open_runs_of_a_deleted_thread_are_stopped_and_told_and_their_keys_are_free(
    client: httpx.AsyncClient, service: Service, experts: ScriptedExperts
) -> None:
    thread_id = await made(client, thread_id="shop")
    # there is no such name: what is told stays to be seen
    hook = {"url": "https://hook.invalid/", "secret": SECRET}
    body = {"task": "wait", "plan": A_STEP_THAT_WAITS, "webhook": hook, "idempotency_key": "order 7"}
    run_id = await started(client, thread_id, **body)

    async def is_working() -> bool:
        return experts.num_asked > 0

    await until(is_working, "the step is asked")
    assert (await client.delete(f"/api/threads/{thread_id}")).status_code == 204
    async with asyncio.timeout(5):
        await experts.closed.wait()
    [told] = await service.deliveries.latest(10)
    assert (told.run_id, json.loads(told.body)["data"]["status"]) == (run_id, "cancelled")
    assert await made(client, thread_id="shop") == thread_id
    again = await started(client, thread_id, **body)
    assert again != run_id
    await service.cancel(again)
