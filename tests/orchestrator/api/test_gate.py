"""The gate over HTTP."""

import httpx


async def test_a_text_comes_to_its_expert(client: httpx.AsyncClient) -> None:
    response = await client.post("/api/gate", json={"text": "What is the sum of 2 and 3?"})
    assert response.status_code == 200
    assert response.json() == {
        "expert": "math",
        "reason": "rule",
        "rule": {"expert": "math", "kind": "keyword", "rule": "sum", "found": "sum"},
        "scores": {"general": 0.5, "math": 0.5},
        "threshold": None,
        "fired": [{"expert": "math", "kind": "keyword", "rule": "sum", "found": "sum"}],
        "remark": "scripted",
        "num_prompt_tokens": 27,
        "num_reused_tokens": 0,
        "num_reusable_tokens": 16,
    }


async def test_a_text_for_nobody_is_for_general(client: httpx.AsyncClient) -> None:
    answer = (await client.post("/api/gate", json={"text": "Sing a song."})).json()
    assert (answer["expert"], answer["reason"], answer["rule"]) == ("general", "nothing", None)


async def test_a_text_that_cannot_be_asked_is_refused(client: httpx.AsyncClient) -> None:
    empty = await client.post("/api/gate", json={"text": " "})
    assert (empty.status_code, empty.json()["error"]["type"]) == (422, "task")
    unknown = await client.post("/api/gate", json={"text": "Add 1.", "expert": "math"})
    assert (unknown.status_code, unknown.json()["error"]["type"]) == (422, "request_invalid")
