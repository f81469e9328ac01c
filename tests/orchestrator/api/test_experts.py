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
