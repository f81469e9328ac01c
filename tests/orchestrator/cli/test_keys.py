"""`ccoe keys`, and the commands that show a key to a running service."""

import json
from pathlib import Path

import httpx
import pytest

from orchestrator.data_directory import running_service
from orchestrator.settings import Settings
from tests.orchestrator.cli.test_experts import an_expert
from tests.orchestrator.http_service import bearer
from tests.orchestrator.processes import ccoe, line_with, process
from tests.orchestrator.scripted_experts import TWO_STEPS


async def test_a_key_is_shown_once_listed_and_revoked() -> None:
    code, secret, told = await ccoe("keys", "create", "ann")
    assert (code, secret.startswith("ccoe_ann_"), secret.count("\n")) == (0, True, 1)
    assert told == "ann may use: runs. Send it as `Authorization: Bearer …`; keep it now.\n"
    assert (await ccoe("keys", "create", "bob", "--scope", "experts", "--scope", "runs"))[0] == 0

    listed = (await ccoe("keys", "list"))[1]
    assert [line.split()[:3] for line in listed.splitlines()][1:] == [
        ["ann", "runs", listed.splitlines()[1].split()[2]],
        ["bob", "experts,", "runs"],
    ]
    assert secret.strip() not in listed

    assert (await ccoe("keys", "revoke", "ann"))[:2] == (0, "ann is revoked\n")
    code, _, errors = await ccoe("keys", "revoke", "ann")
    assert (code, "there is no key 'ann'" in errors) == (1, True)
    code, _, errors = await ccoe("keys", "create", "bob")
    assert (code, "there is a key 'bob'" in errors, "ccoe keys revoke bob" in errors) == (1, True, True)


@pytest.mark.parametrize("name", ["local", "anonymous", "Ann", "a b", ""])
async def test_a_name_that_cannot_be_used_is_refused(name: str) -> None:
    code, output, errors = await ccoe("keys", "create", name)
    assert (code, output, "cannot be used" in errors) == (2, "", True)


async def test_the_command_line_is_trusted_where_all_needs_a_key(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By the token that the service has written; a key that is set comes first, with its name and its scopes."""
    monkeypatch.setenv("CCOE_REQUIRE_KEY", "all")
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps(TWO_STEPS))
    async with process("scripted_ccoe", "serve", "--port", "0") as serving:
        await line_with("serving at", serving)
        assert (await ccoe("ask", "how many?", "--plan", str(plan)))[0] == 0
        assert (await ccoe("experts", "push", str(an_expert(tmp_path / "botany"))))[0] == 0

        monkeypatch.setenv("CCOE_API_KEY", (await ccoe("keys", "create", "ann"))[1].strip())
        assert (await ccoe("ask", "how many?", "--plan", str(plan)))[0] == 0
        code, _, errors = await ccoe("experts", "pop", "botany")
        assert (code, "'ann' has not the scope experts" in errors, "--scope" in errors) == (2, True, True)

        monkeypatch.setenv("CCOE_API_KEY", (await ccoe("keys", "create", "bob", "--scope", "experts"))[1].strip())
        assert (await ccoe("experts", "pop", "botany"))[0] == 0
        audit = (await ccoe("experts", "audit"))[1].splitlines()[1:]
        assert [line.split()[2:4] for line in audit] == [["bob", "pop"], ["local", "push"]]
        running = running_service(settings.data_dir)
        assert running is not None
        async with httpx.AsyncClient(base_url=running.url) as stranger:
            assert (await stranger.get("/api/runs")).status_code == 401
            assert (await stranger.get("/api/runs", headers=bearer(running.token))).status_code == 200


async def test_other_machines_find_no_service_without_a_key(settings: Settings) -> None:
    code, output, errors = await ccoe("serve", "--host", "0.0.0.0", "--port", "0")
    assert (code, output) == (1, "")
    assert (
        "error: other machines can reach 0.0.0.0, and there is no key yet\nremedy: make one: ccoe keys create" in errors
    )
    assert "loading" not in errors
    assert running_service(settings.data_dir) is None

    secret = (await ccoe("keys", "create", "ann"))[1].strip()
    async with process("scripted_ccoe", "serve", "--host", "0.0.0.0", "--port", "0") as serving:
        await line_with("serving at", serving)
        running = running_service(settings.data_dir)
        assert running is not None
        async with httpx.AsyncClient(base_url=running.url) as client:
            assert (await client.get("/healthz")).status_code == 200
            assert (await client.get("/api/runs")).status_code == 401
            assert (await client.get("/api/runs", headers=bearer(secret))).status_code == 200


async def test_a_proxy_may_stand_before_an_open_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCOE_REQUIRE_KEY", "none")
    async with process("scripted_ccoe", "serve", "--host", "0.0.0.0", "--port", "0") as serving:
        url = (await line_with("serving at", serving)).split()[-1]
        async with httpx.AsyncClient(base_url=url) as client:
            assert (await client.get("/api/experts/audit")).status_code == 200
        serving.terminate()
        errors = (await serving.communicate())[1].decode()
    assert "warning: other machines can reach 0.0.0.0; CCOE_REQUIRE_KEY is none" in errors
