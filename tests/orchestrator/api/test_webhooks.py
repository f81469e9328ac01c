"""Webhooks of runs over HTTP, told by a real service to a real receiver."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis
from standardwebhooks import Webhook as Verifier

from orchestrator.service import Service
from orchestrator.settings import Settings, read_settings
from tests.orchestrator.conditions import until
from tests.orchestrator.http_service import http_client
from tests.orchestrator.receiver import Receiver, receiving
from tests.orchestrator.scripted_experts import A_STEP_THAT_FAILS, TWO_STEPS, open_scripted_experts
from tests.orchestrator.test_webhook import SECRET


@pytest.fixture
async def receiver() -> AsyncGenerator[Receiver]:
    async with receiving() as opened:
        yield opened


@pytest.fixture
def settings(receiver: Receiver) -> Settings:
    return read_settings(webhook_private=True, webhook_retry={"max_attempts": 2, "base_seconds": 1})


async def message(receiver: Receiver, number: int = 1) -> dict[str, Any]:
    async def has_come() -> bool:
        return len(receiver.messages) >= number

    await until(has_come, f"message {number} comes")
    last = receiver.messages[number - 1]
    return Verifier(SECRET).verify(last.body, last.headers)


def hook(receiver: Receiver, **fields: Any) -> dict[str, Any]:
    return {"url": receiver.url, "secret": SECRET, **fields}


async def started(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    response = await client.post("/api/runs", json=body)
    assert response.status_code == 202, response.text
    assert SECRET not in response.text
    return response.json()


async def test_the_end_of_a_run_is_told_and_signed(client: httpx.AsyncClient, receiver: Receiver, redis: Redis) -> None:
    run = await started(client, task="how many patients?", plan=TWO_STEPS, webhook=hook(receiver))
    assert run["webhook"] == {
        "url": receiver.url,
        "events": ["run_finished", "run_interrupted"],
        "secret": "**********",
    }
    said = await message(receiver)
    ended = (await client.get(f"/api/runs/{run['id']}")).json()
    assert said["type"] == "run_finished"
    assert said["data"] == {"run_id": run["id"], **{name: ended[name] for name in said["data"] if name != "run_id"}}
    assert (said["data"]["status"], "48 patients" in said["data"]["answer"]) == ("success", True)

    async def is_gone() -> bool:
        return (await client.get("/api/webhooks")).json() == {"deliveries": []}

    await until(is_gone, "nothing is left to deliver")
    assert len(receiver.messages) == 1


async def test_what_is_not_taken_is_listed_and_tried_again(client: httpx.AsyncClient, receiver: Receiver) -> None:
    receiver.statuses = [410]
    run = await started(client, task="a task", plan=A_STEP_THAT_FAILS, webhook=hook(receiver))
    assert (await message(receiver))["data"]["error"]["message"]

    async def given_up() -> bool:
        deliveries = (await client.get("/api/webhooks", params={"limit": 5})).json()["deliveries"]
        return bool(deliveries and deliveries[0]["given_up"])

    await until(given_up, "it is given up")
    listed = await client.get("/api/webhooks")
    [dead] = listed.json()["deliveries"]
    assert (dead["run_id"], dead["attempts"], dead["error"]) == (run["id"], 1, "it answered 410 Said")
    assert SECRET not in listed.text
    again = await client.post(f"/api/webhooks/{dead['id']}/retry")
    assert (again.status_code, again.json()["given_up"], SECRET in again.text) == (200, None, False)
    await message(receiver, 2)
    assert receiver.messages[0].body == receiver.messages[1].body


async def test_a_delivery_that_is_not_there(client: httpx.AsyncClient) -> None:
    response = await client.post("/api/webhooks/x/retry")
    assert (response.status_code, response.json()["error"]["type"]) == (404, "delivery_not_found")


async def test_a_cancelled_run_that_was_delayed_is_told_at_once(client: httpx.AsyncClient, receiver: Receiver) -> None:
    run = await started(client, task="a task", delay_seconds=3600, webhook=hook(receiver))
    assert (await client.post(f"/api/runs/{run['id']}/cancel")).status_code == 200
    assert (await message(receiver))["data"]["status"] == "cancelled"


async def test_a_resumed_run_tells_the_same_webhook(client: httpx.AsyncClient, receiver: Receiver) -> None:
    first = await started(client, task="a task", plan=A_STEP_THAT_FAILS, webhook=hook(receiver))
    await message(receiver)
    second = (await client.post(f"/api/runs/{first['id']}/resume")).json()
    assert (await message(receiver, 2))["data"]["run_id"] == second["id"]


@pytest.mark.parametrize(
    ("webhook", "kind", "reason"),
    [
        ({"url": "ftp://example.org/"}, "request_invalid", "http or https"),
        ({"url": "https://example.org/", "secret": "short"}, "request_invalid", "ccoe webhooks secret"),
        ({"url": "https://example.org/", "events": ["x"]}, "request_invalid", "events"),
        ({"url": "https://example.org/"}, "run_refused", "has no secret"),
    ],
)
async def test_a_webhook_that_cannot_be_used(
    client: httpx.AsyncClient, webhook: dict[str, Any], kind: str, reason: str
) -> None:
    response = await client.post("/api/runs", json={"task": "x", "webhook": webhook})
    error = response.json()["error"]
    assert (response.status_code, error["type"], reason in error["message"]) == (422, kind, True)


async def test_private_addresses_are_refused_unless_allowed(redis: Redis, receiver: Receiver) -> None:
    async with Service.open(read_settings(), open_scripted_experts) as service, http_client(service) as client:
        response = await client.post("/api/runs", json={"task": "x", "webhook": hook(receiver)})
        assert (response.status_code, response.json()["error"]["type"]) == (422, "run_refused")
        local = hook(receiver, url=f"http://localhost:{receiver.port}/")
        await started(client, task="a task", plan=TWO_STEPS, webhook=local)

        async def given_up() -> bool:
            found = (await client.get("/api/webhooks")).json()["deliveries"]
            return bool(found) and "not public" in str(found[0]["error"])

        await until(given_up, "the name turns out to be this machine")
    assert receiver.messages == []


async def test_every_run_is_told_to_the_services_webhook(redis: Redis, receiver: Receiver) -> None:
    settings = read_settings(webhook_url=receiver.url, webhook_secret=SECRET, webhook_private=True)
    async with Service.open(settings, open_scripted_experts) as service:
        runs = [await service.submit("a task", TWO_STEPS) for _ in range(3)]
        async with asyncio.timeout(20):
            await asyncio.gather(*(service.wait(run.id) for run in runs))
        await message(receiver, 3)
    assert {json.loads(one.body)["data"]["run_id"] for one in receiver.messages} == {run.id for run in runs}
