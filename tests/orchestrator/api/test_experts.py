"""The experts over HTTP."""

import httpx


async def names(client: httpx.AsyncClient) -> list[str]:
    return [expert["name"] for expert in (await client.get("/api/experts")).json()["experts"]]


async def test_experts_are_listed_pushed_and_popped(client: httpx.AsyncClient) -> None:
    assert await names(client) == ["general", "math"]
    pushed = await client.post("/api/experts", json={"path": "somewhere/botany"})
    assert (pushed.status_code, pushed.json()["version"]) == (201, "p1")
    assert await names(client) == ["botany", "general", "math"]
    assert (await client.delete("/api/experts/botany")).status_code == 200
    assert await names(client) == ["general", "math"]


async def test_an_unknown_expert_is_not_popped(client: httpx.AsyncClient) -> None:
    response = await client.delete("/api/experts/botany")
    assert (response.status_code, response.json()["error"]["type"]) == (404, "unknown_expert")


async def test_an_expert_is_rolled_back(client: httpx.AsyncClient) -> None:
    await client.post("/api/experts", json={"path": "somewhere/botany"})
    versions = [
        (await client.post("/api/experts/botany/rollback", json=body)).json()["version"]
        for body in ({}, {"version": "p7"})
    ]
    assert versions == ["p0", "p7"]
    listed = (await client.get("/api/experts")).json()["experts"]
    assert [expert["version"] for expert in listed if expert["name"] == "botany"] == ["p7"]


async def test_an_expert_without_an_earlier_version_stays(client: httpx.AsyncClient) -> None:
    response = await client.post("/api/experts/math/rollback", json={})
    assert (response.status_code, response.json()["error"]["type"]) == (409, "no_earlier_version")
    assert (await client.post("/api/experts/math/rollback", json={"to": "m0"})).status_code == 422


async def test_changes_are_listed_the_newest_first(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/experts/audit")).json() == {"changes": []}
    await client.post("/api/experts", json={"path": "somewhere/botany"})
    await client.delete("/api/experts/botany")

    changes = (await client.get("/api/experts/audit")).json()["changes"]
    assert [(change["action"], change["version"]) for change in changes] == [("pop", "p1"), ("push", "p1")]
    assert len((await client.get("/api/experts/audit", params={"limit": 1})).json()["changes"]) == 1
    assert (await client.get("/api/experts/audit", params={"limit": 0})).status_code == 422
