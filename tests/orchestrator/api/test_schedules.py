"""Schedules over HTTP."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from orchestrator.schedule import Schedule
from orchestrator.service import Service
from tests.orchestrator.conditions import until
from tests.orchestrator.scripted_experts import TWO_STEPS
from tests.orchestrator.test_webhook import SECRET

REQUEST = {"task": "how many patients?", "plan": TWO_STEPS}
DAILY = {"name": "daily", "cron": "0 7 * * *", "timezone": "Europe/Berlin", "request": REQUEST}


async def created(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    response = await client.post("/api/schedules", json={**DAILY, **fields})
    assert response.status_code == 201, response.text
    assert response.headers["Location"] == f"/api/schedules/{response.json()['id']}"
    return response.json()


async def test_a_schedule_is_made_read_changed_and_deleted(client: httpx.AsyncClient) -> None:
    schedule = await created(client)
    path = f"/api/schedules/{schedule['id']}"
    assert (schedule["request"], schedule["missed"], schedule["overlap"]) == (REQUEST, "once", "allow")
    assert datetime.fromisoformat(schedule["next_due"]) > datetime.now(UTC)
    assert (await client.get(path)).json() == schedule
    assert (await client.get("/api/schedules")).json() == {"schedules": [schedule]}
    changed = (await client.patch(path, json={"name": "nightly", "cron": "0 0 * * *", "missed": "all"})).json()
    assert (changed["name"], changed["cron"], changed["missed"]) == ("nightly", "0 0 * * *", "all")
    assert changed["next_due"] != schedule["next_due"]
    assert (await client.post(f"{path}/pause")).json()["next_due"] is None
    assert (await client.post(f"{path}/resume")).json()["next_due"] == changed["next_due"]
    assert (await client.delete(path)).status_code == 200
    for method, route in (
        ("GET", path),
        ("PATCH", path),
        ("DELETE", path),
        ("POST", f"{path}/run"),
        ("POST", f"{path}/pause"),
    ):
        gone = await client.request(method, route, json={} if method == "PATCH" else None)
        assert (gone.status_code, gone.json()["error"]["type"]) == (404, "schedule_not_found")


async def test_a_run_now(client: httpx.AsyncClient, service: Service) -> None:
    schedule = await created(client)
    response = await client.post(f"/api/schedules/{schedule['id']}/run")
    assert response.status_code == 202
    assert response.headers["Location"] == f"/api/runs/{response.json()['id']}"
    async with asyncio.timeout(20):
        run = await service.wait(response.json()["id"])
    assert (run.status, run.task) == ("success", "how many patients?")
    kept = (await client.get(f"/api/schedules/{schedule['id']}")).json()
    assert (kept["last_run_id"], kept["last_due"], kept["next_due"]) == (run.id, None, schedule["next_due"])


async def test_a_service_makes_the_run_when_it_is_due(client: httpx.AsyncClient, service: Service) -> None:
    schedule = await created(client)

    def overdue(kept: Schedule) -> Schedule:
        return kept.model_copy(update={"next_due": datetime.now(UTC) - timedelta(seconds=5)})

    await service.schedules.change(schedule["id"], overdue)

    async def has_run() -> bool:
        return (await service.schedules.get(schedule["id"])).last_run_id is not None

    await until(has_run, "the run is made")
    kept = await service.schedules.get(schedule["id"])
    async with asyncio.timeout(20):
        assert (await service.wait(kept.last_run_id or "")).status == "success"
    assert kept.next_due == datetime.fromisoformat(schedule["next_due"])


async def test_at_in_the_schedules_zone(client: httpx.AsyncClient) -> None:
    year = datetime.now(UTC).year + 1
    schedule = await created(client, cron=None, at=f"{year}-07-01T12:00:00")
    assert schedule["at"] == schedule["next_due"] == f"{year}-07-01T10:00:00Z"


@pytest.mark.parametrize(
    ("fields", "kind", "reason"),
    [
        ({"cron": "0 25 * * *"}, "schedule_refused", "its hour cannot be used"),
        ({"timezone": "Europe/Berln"}, "schedule_refused", "no time zone"),
        ({"cron": None}, "schedule_refused", "either"),
        ({"cron": None, "at": "2020-01-01T00:00"}, "schedule_refused", "is over"),
        ({"missed": "sometimes"}, "request_invalid", "missed"),
        ({"name": ""}, "request_invalid", "name"),
        ({"colour": "red"}, "request_invalid", "colour"),
        ({"request": {"task": "x", "idempotency_key": "k"}}, "schedule_refused", "idempotency_key"),
        ({"request": {}}, "run_refused", "neither a task nor a plan"),
        ({"request": {"plan": [{"id": 1, "text": "x", "expert": "nobody"}]}}, "invalid_plan", "nobody"),
        ({"request": {"task": "x", "colour": "red"}}, "request_invalid", "colour"),
        ({"request": {"task": "x", "webhook": {"url": "http://10.0.0.1/", "secret": SECRET}}}, "run_refused", "public"),
    ],
)
async def test_what_cannot_be_used_is_refused(
    client: httpx.AsyncClient, fields: dict[str, Any], kind: str, reason: str
) -> None:
    response = await client.post("/api/schedules", json={**DAILY, **fields})
    error = response.json()["error"]
    assert (response.status_code, error["type"]) == (422, kind)
    assert reason in error["message"]
    assert error["remedy"] or kind == "invalid_plan"
    if "cron" not in fields or fields["cron"]:
        schedule = await created(client)
        changed = await client.patch(f"/api/schedules/{schedule['id']}", json=fields)
        assert (changed.status_code, changed.json()["error"]["type"]) == (422, kind)


async def test_a_single_time_that_is_over_cannot_be_paused(client: httpx.AsyncClient, service: Service) -> None:
    at = datetime.now(UTC) + timedelta(hours=1)
    schedule = await created(client, cron=None, at=at.isoformat())
    await service.schedules.change(schedule["id"], lambda kept: kept.attended(at, at, None, None))
    response = await client.post(f"/api/schedules/{schedule['id']}/pause")
    assert (response.status_code, response.json()["error"]["type"]) == (409, "schedule_ended")


async def test_the_secret_of_a_webhook_is_not_shown(client: httpx.AsyncClient, service: Service) -> None:
    webhook = {"url": "https://example.org/hook", "secret": SECRET}
    schedule = await created(client, request={**REQUEST, "webhook": webhook})
    path = f"/api/schedules/{schedule['id']}"
    responses = [
        await client.get(path),
        await client.get("/api/schedules"),
        await client.patch(path, json={"name": "other"}),
        await client.post(f"{path}/run"),
        await client.get("/api/runs"),
    ]
    assert [response.url for response in responses if SECRET in response.text or not response.is_success] == []
    kept = (await service.schedules.get(schedule["id"])).request.webhook
    assert kept is not None and kept.secret is not None and kept.secret.get_secret_value() == SECRET
    masked = await client.patch(path, json={"request": {**REQUEST, "webhook": schedule["request"]["webhook"]}})
    assert masked.status_code == 422
