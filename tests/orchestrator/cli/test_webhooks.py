"""`ccoe webhooks`: what was not taken, and secrets."""

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from orchestrator.webhook import Webhook
from tests.orchestrator.cli.conftest import Terminal
from tests.orchestrator.conditions import until
from tests.orchestrator.processes import ccoe, line_with, process
from tests.orchestrator.receiver import receiving
from tests.orchestrator.scripted_experts import TWO_STEPS
from tests.orchestrator.test_webhook import SECRET


def test_a_secret_is_made(terminal: Terminal) -> None:
    code, secret, _ = terminal.ccoe("webhooks", "secret")
    assert code == 0
    Webhook(url="https://example.org/", secret=SecretStr(secret.strip()))


async def test_dead_letters_are_listed_and_tried_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps(TWO_STEPS))
    async with receiving() as receiver:
        receiver.statuses = [410, 410]
        for name, value in (("URL", receiver.url), ("SECRET", SECRET), ("PRIVATE", "true")):
            monkeypatch.setenv(f"CCOE_WEBHOOK_{name}", value)
        async with process("scripted_ccoe", "serve", "--port", "0") as serving:
            await line_with("serving at", serving)
            for _ in range(2):
                assert (await ccoe("ask", "how many?", "--plan", str(plan)))[0] == 0

            async def are_given_up() -> bool:
                return (await ccoe("webhooks", "list"))[1].count("given up") == 2

            await until(are_given_up, "both are given up", 60)
            listed = (await ccoe("webhooks", "list"))[1]
            assert "410 Said" in listed and receiver.url in listed and SECRET not in listed
            delivery = listed.splitlines()[1].split()[0]
            assert (await ccoe("webhooks", "retry", delivery))[:2] == (0, "1 delivery is tried again\n")
            assert (await ccoe("webhooks", "retry", "--all"))[0] == 0

            async def are_taken() -> bool:
                return len((await ccoe("webhooks", "list"))[1].splitlines()) == 1

            await until(are_taken, "nothing is left", 60)
        assert len({one.headers["webhook-id"] for one in receiver.messages}) == 2
        assert len(receiver.messages) == 4


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [(["x"], 1, "there is no delivery 'x'"), ([], 2, "give --all"), (["x", "--all"], 2, "give --all")],
)
def test_what_cannot_be_retried(terminal: Terminal, arguments: list[str], code: int, said: str) -> None:
    found, _, errors = terminal.ccoe("webhooks", "retry", *arguments)
    assert (found, said in errors) == (code, True)
