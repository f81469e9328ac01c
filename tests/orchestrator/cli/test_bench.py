"""`ccoe bench`: figures of the engine and of its peers on the same requests, a picture, and a soak."""

import json
from pathlib import Path
from unittest.mock import Mock

import pytest

from experts.backbone import Backbone
from experts.benchmark import sitting, sweep
from experts.benchmark.memory_benchmark import Memory
from orchestrator.settings import Settings
from tests.experts.conftest import save_model
from tests.experts.families import FAMILIES, byte_tokenizer, make_model
from tests.orchestrator.cli.conftest import Terminal

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # PEFT asks for it

CONTEXT = ("a context " * 6, [(i % 5, f"step {i}") for i in range(4)])


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Settings) -> None:
    """A tiny backbone and workloads to its measure."""
    backbone = Backbone.split(make_model(FAMILIES[0]), byte_tokenizer())
    monkeypatch.setenv("CCOE_BACKBONE", str(save_model(backbone, tmp_path / "model")))
    monkeypatch.setattr("experts.benchmark.workload.NEW_TOKENS", 3)
    monkeypatch.setattr("experts.benchmark.workload.mixed", lambda: [(i % 5, f"prompt {i}") for i in range(20)])
    monkeypatch.setattr("experts.benchmark.workload.hand_off", lambda num_words=0: CONTEXT)
    monkeypatch.setattr(sitting, "measure_memory", Mock(return_value=Memory(300, 310, 200)))
    monkeypatch.setattr(sitting, "shipped_bytes", Mock(return_value=400))


def test_every_workload_is_measured_in_full(terminal: Terminal) -> None:
    code, output, errors = terminal.ccoe("bench", "engine", "--json")

    assert code == 0, errors
    document = json.loads(output)
    tokens = {name: one["num_output_tokens"] for name, one in document["throughput"].items()}
    assert tokens == {
        **{f"{form} {what}": 60 for form in ("merged", "compact") for what in ("mixed", "one expert")},
        **{f"{form} one stream{how}": 5 for form in ("merged", "compact") for how in ("", ", int4")},
        "transformers one stream": 6,
        **{f"{peer} mixed": 60 for peer in ("transformers", "peft")},
        **{f"{who} growing": 12 for who in ("merged", "transformers", "peft")},
    }
    hand_over = document["hand_over"]
    assert hand_over["reused_upper_tokens"] == 0 < hand_over["reused_backbone_tokens"] <= hand_over["num_tokens"]


def test_ratios_are_ours_to_theirs(terminal: Terminal) -> None:
    document = json.loads(terminal.ccoe("bench", "engine", "--json")[1])

    speed = {name: one["tokens_per_second"] for name, one in document["throughput"].items()}
    ratios = document["ratios"]
    assert ratios["merged mixed / peft mixed"] == pytest.approx(speed["merged mixed"] / speed["peft mixed"])
    assert ratios["compact weights / five models"] == pytest.approx(300 / (5 * 200))
    assert ratios["merged resident / five models"] == pytest.approx(310 / (5 * 200))


def test_the_figures_are_tables(terminal: Terminal) -> None:
    code, output, errors = terminal.ccoe("bench", "engine")

    assert code == 0, errors
    assert "merged: mixed, 5 experts" in output
    assert "compact weights / five models" in output
    assert "0 of the expert's own" in output


def test_a_sweep_is_drawn(terminal: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sweep, "NUMBERS", (1, 3))

    code, output, errors = terminal.ccoe("bench", "sweep", str(tmp_path / "sweep.png"), "--json")

    assert code == 0, errors
    points = {(one["form"], one["num_experts"]): one for one in json.loads(output)}
    assert set(points) == {(form, n) for form in ("merged", "compact", "one model each") for n in (1, 3)}
    weights = {key: one["weight_bytes"] for key, one in points.items()}
    assert weights["one model each", 3] == 3 * weights["one model each", 1]
    assert weights["merged", 3] < weights["one model each", 3], "a rank of 16 is much for a tiny model"
    assert (tmp_path / "sweep.png").read_bytes().startswith(b"\x89PNG")


def test_a_soak_tells_what_happened_and_what_memory_did(terminal: Terminal) -> None:
    code, output, errors = terminal.ccoe("bench", "soak", "--minutes", "0.1")

    assert code == 0, errors
    assert "callers left" in output and "MB a minute" in output
