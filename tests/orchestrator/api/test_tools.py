"""The tools over HTTP."""

import httpx


async def test_tools_are_listed_with_their_schemas(client: httpx.AsyncClient) -> None:
    tools = (await client.get("/api/tools")).json()["tools"]
    assert [tool["name"] for tool in tools] == ["calculator", "search"]
    assert tools[1]["arguments"]["required"] == ["query"]
    assert tools[1]["max_seconds"] == 30.0 and tools[1]["description"]
