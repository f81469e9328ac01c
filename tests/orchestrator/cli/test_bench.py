"""`ccoe bench engine`: figures of the engine and of transformers on the same requests."""

import json
from pathlib import Path

import pytest

from experts.backbone import Backbone
from orchestrator.settings import Settings
from tests.experts.conftest import save_model
from tests.experts.families import FAMILIES, byte_tokenizer, make_model
from tests.orchestrator.cli.conftest import Terminal


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Settings) -> None:
    """A tiny backbone and a workload to its measure."""
    backbone = Backbone.split(make_model(FAMILIES[0]), byte_tokenizer())
    monkeypatch.setenv("CCOE_BACKBONE", str(save_model(backbone, tmp_path / "model")))
    monkeypatch.setattr("experts.benchmark.workload.NEW_TOKENS", 3)
    monkeypatch.setattr("experts.benchmark.workload.mixed", lambda: [(i % 5, f"prompt {i}") for i in range(20)])


def test_every_workload_is_measured_in_full(terminal: Terminal) -> None:
    code, output, errors = terminal.ccoe("bench", "engine", "--json")

    assert code == 0, errors
    document = json.loads(output)
    tokens = {one["name"]: one["num_output_tokens"] for one in document["throughput"]}
    assert set(tokens.values()) == {60, 6, 5}
    assert all(one["tokens_per_second"] > 0 for one in document["throughput"])
    hand_over = document["hand_over"]
    assert hand_over["reused_upper_tokens"] == 0 < hand_over["reused_backbone_tokens"] < hand_over["num_tokens"]


def test_the_figures_are_a_table(terminal: Terminal) -> None:
    code, output, errors = terminal.ccoe("bench", "engine")

    assert code == 0, errors
    assert "mixed, five experts" in output and "of its fresh prefill" in output
