"""Keys over a real HTTP server: what is open, what is refused and how, who is in the audit."""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import AsyncGenerator

import httpx
import pytest

from orchestrator.api.authorization import needed_scopes
from orchestrator.api_key import Scope
from orchestrator.service import Service
from tests.orchestrator.http_service import TOKEN, bearer, http_client

PUSH = {"path": "somewhere/botany"}
UNKNOWN = bearer(f"ccoe_eve_{'0' * 64}")


@pytest.fixture
async def client(service: Service) -> AsyncGenerator[httpx.AsyncClient]:
    """A stranger on this machine: no key."""
    async with http_client(service) as opened:
        del opened.headers["Authorization"]
        yield opened


@pytest.fixture
async def guarded(service: Service) -> AsyncGenerator[httpx.AsyncClient]:
    """A stranger where all needs a key, as for other machines."""
    async with http_client(service, "all") as opened:
        del opened.headers["Authorization"]
        yield opened


def refused(response: httpx.Response, status: int, kind: str) -> bool:
    """Whether it is the one error body with a remedy; of a 401 with the challenge that its standard asks for."""
    error = response.json()["error"]
    challenge = "Bearer" if status == 401 else None
    return (
        (response.status_code, error["type"], set(error)) == (status, kind, {"type", "message", "remedy"})
        and "ccoe keys create" in error["remedy"]
        and response.headers.get("WWW-Authenticate") == challenge
    )


async def test_on_this_machine_runs_are_open_and_experts_are_not(client: httpx.AsyncClient) -> None:
    assert (await client.post("/api/runs", json={"task": "say 1"})).status_code == 202
    assert (await client.get("/api/experts")).status_code == 200
    for request in (
        client.post("/api/experts", json=PUSH),
        client.delete("/api/experts/math"),
        client.post("/api/experts/math/rollback", json={}),
        client.get("/api/experts/audit"),
    ):
        assert refused(await request, 401, "key_required")


async def test_where_all_needs_a_key_health_and_description_stay_open(guarded: httpx.AsyncClient) -> None:
    for path in ("/healthz", "/docs", "/openapi.json"):
        assert (await guarded.get(path)).status_code == 200
    for path in ("/api/runs", "/api/runs/01a2/events", "/api/experts", "/nothing"):
        assert refused(await guarded.get(path), 401, "key_required")
    assert refused(await guarded.get("/api/runs", headers=UNKNOWN), 401, "key_invalid")
    assert refused(await guarded.get("/api/runs", headers={"Authorization": "Basic YW5uOnBhc3M="}), 401, "key_required")


async def test_a_key_of_httpx_runs_a_task_and_no_more(guarded: httpx.AsyncClient, service: Service) -> None:
    guarded.headers.update(bearer(await service.api_keys.create("ann", (Scope.RUNS,))))
    run = await guarded.post("/api/runs", json={"task": "say 1"})
    assert run.status_code == 202
    async with asyncio.timeout(20), guarded.stream("GET", f"{run.headers['Location']}/events") as events:
        assert "run_finished" in (await events.aread()).decode()
    assert (await guarded.get("/api/experts")).status_code == 200
    assert refused(await guarded.post("/api/experts", json=PUSH), 403, "scope_missing")


def curl(url: str, secret: str | None) -> tuple[int, dict[str, object]]:
    """What `curl -d '{"task": "say 1"}' -H 'Authorization: bearer …'` gets, by the standard library."""
    headers = {"Content-Type": "application/json", **({"authorization": f"bearer  {secret}"} if secret else {})}
    request = urllib.request.Request(f"{url}/api/runs", b'{"task": "say 1"}', headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


async def test_a_key_of_another_client_runs_a_task(guarded: httpx.AsyncClient, service: Service) -> None:
    url, secret = str(guarded.base_url), await service.api_keys.create("ann", (Scope.RUNS,))
    status, body = await asyncio.to_thread(curl, url, secret)
    assert (status, body["task"]) == (202, "say 1")
    status, body = await asyncio.to_thread(curl, url, None)
    assert (status, body.keys()) == (401, {"error"})


async def test_a_revoked_key_opens_nothing_from_the_next_request_on(
    guarded: httpx.AsyncClient, service: Service
) -> None:
    guarded.headers.update(bearer(await service.api_keys.create("ann", (Scope.RUNS,))))
    assert (await guarded.get("/api/runs")).status_code == 200
    await service.api_keys.revoke("ann")
    assert refused(await guarded.get("/api/runs"), 401, "key_invalid")


async def test_who_changed_an_expert_is_in_the_audit(client: httpx.AsyncClient, service: Service) -> None:
    ann = bearer(await service.api_keys.create("ann", (Scope.EXPERTS,)))
    assert (await client.post("/api/experts", json=PUSH, headers=ann)).status_code == 201
    assert (await client.post("/api/experts/botany/rollback", json={}, headers=bearer(TOKEN))).status_code == 200
    assert (await client.delete("/api/experts/botany", headers=ann)).status_code == 200
    changes = (await client.get("/api/experts/audit", headers=ann)).json()["changes"]
    assert [(change["by"], change["action"]) for change in changes] == [
        ("ann", "pop"),
        ("local", "rollback"),
        ("ann", "push"),
    ]


@pytest.mark.parametrize(
    ("headers", "is_open"),
    [
        ({"Host": "localhost:8321"}, True),
        ({"Host": "[::1]:8321", "Origin": "http://127.0.0.1:8321"}, True),
        ({"Host": "rebound.example"}, False),
        ({"Host": "[::1"}, False),
        ({"Origin": "https://a-page.example"}, False),
        ({"Origin": "null"}, False),
    ],
)
async def test_a_page_of_another_site_needs_a_key_too(
    headers: dict[str, str], is_open: bool, client: httpx.AsyncClient
) -> None:
    response = await client.get("/api/runs", headers=headers)
    assert response.status_code == 200 if is_open else refused(response, 401, "key_required")


async def test_a_key_is_asked_for_before_a_body_is_read(guarded: httpx.AsyncClient) -> None:
    response = await guarded.post("/api/runs", content=b"{", headers={"Content-Type": "application/json"})
    assert refused(response, 401, "key_required")


async def test_every_route_but_health_needs_a_key_and_changes_of_experts_their_own(guarded: httpx.AsyncClient) -> None:
    described = (await guarded.get("/openapi.json")).json()
    assert described["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    routes = [(method.upper(), path) for path, methods in described["paths"].items() for method in methods]
    is_open = {route: (await guarded.request(*route)).status_code != 401 for route in routes}
    assert [route for route in routes if is_open[route]] == [("GET", "/healthz")]
    changes = [route for route in routes if route[1].startswith("/api/experts") and route[0] != "GET"]
    assert {tuple(needed_scopes(*route)) for route in changes} == {(Scope.EXPERTS,)}
