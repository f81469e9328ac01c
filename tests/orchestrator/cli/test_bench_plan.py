"""`ccoe bench plan` and `ccoe bench choice` with experts that need no model."""

import json
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from graphs.protocols import ExpertProfile
from orchestrator.cli.main import main
from orchestrator.expert_host import ExpertHost
from orchestrator.gate_answer import GateAnswer
from orchestrator.settings import Settings
from tests.graphs.bent_client import BentClient


class BentHost(BentClient):
    """A planner that writes what it may, and a gate that takes everything for law."""

    async def prefetch(self, expert: str) -> None:
        raise NotImplementedError

    async def gate(self, text: str) -> GateAnswer:
        scores = {"law": 0.8, "general": 0.2}
        found = {"expert": "law", "reason": "classifier", "rule": None, "scores": scores, "threshold": 0.5, "fired": []}
        counts = {"num_prompt_tokens": 1, "num_reused_tokens": 0, "num_reusable_tokens": 0}
        return GateAnswer.model_validate({**found, **counts, "remark": ""})

    async def push(self, directory: Path) -> ExpertProfile:
        raise NotImplementedError

    async def pop(self, name: str) -> ExpertProfile:
        raise NotImplementedError

    async def rollback(self, name: str, version: str | None = None) -> ExpertProfile:
        raise NotImplementedError


@asynccontextmanager
async def open_bent(settings: Settings) -> AsyncGenerator[ExpertHost]:
    experts = ("code", "general", "law", "math", "medical", "planner", "sql")
    host = BentHost(wish="Add #9.")
    host.experts = experts
    yield host


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs `ccoe bench` with arguments, and returns what it prints."""

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["ccoe", "bench", *arguments])
        monkeypatch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as ended:
            main(open_bent)
        output, errors = capsys.readouterr()
        assert ended.value.code in (0, None), errors
        return output

    return run


@pytest.mark.usefixtures("settings")
def test_plans_of_hostile_tasks_are_counted_by_kind(bench: Callable[..., str]) -> None:
    document = json.loads(bench("plan", "--tasks", "6", "--first", "4", "--json"))
    assert document["num_tasks"] == 6
    assert list(document["counts"]) == [
        "hardly anything",
        "other scripts",
        "orders",
        "references",
        "plans",
        "quotes",
    ]
    assert document["invalid"] == document["refused"] == []
    assert document["seconds"] > 0
    output = bench("plan", "--tasks", "2")
    assert "several domains" in output
    assert "0 of 2 plans invalid" in output


@pytest.mark.usefixtures("settings")
def test_the_choice_is_measured_for_each_who_may_decide(bench: Callable[..., str]) -> None:
    document = json.loads(bench("choice", "--tasks", "12", "--json"))
    gate = document["right"]["gate alone"]
    assert gate["law"][0] == gate["law"][1] == gate["all"][0] > 0, "this gate knows law alone"
    assert set(document["right"]) == {"planner alone", "gate alone", "both", "both and tools, as in a run"}
    assert {"gate_weight", "min_share"} == set(document["fitted"]) == set(document["used"])
    output = bench("choice", "--tasks", "6")
    assert "gate alone" in output
    assert "other steps: gate weight" in output
