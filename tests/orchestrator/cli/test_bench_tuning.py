"""`ccoe bench tuning` and `tuning-speed` on a tiny backbone and data of the test's own."""

import json
from pathlib import Path

import pytest

from experts.backbone import Backbone
from experts.benchmark.tuning import comparison
from orchestrator.settings import Settings
from tests.experts.conftest import save_model
from tests.experts.families import FAMILIES, byte_tokenizer, make_model
from tests.orchestrator.cli.conftest import Terminal

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")  # PEFT asks for it


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Settings) -> None:
    """A tiny backbone, and a few rows of code."""
    monkeypatch.setenv(
        "CCOE_BACKBONE", str(save_model(Backbone.split(make_model(FAMILIES[0]), byte_tokenizer()), tmp_path / "model"))
    )
    for name in ("django", "nl2bash"):
        for part, size in (("train", 9), ("dev", 3)):
            rows = [{"id": f"{part}-{i}", "prompt": f"{part} {i}?", "response": f"{i}"} for i in range(size)]
            path = tmp_path / "data" / name / f"{part}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(map(json.dumps, rows)))
    monkeypatch.setenv("CCOE_DATA", str(tmp_path / "data"))


def test_a_line_for_each_way_and_finished_ones_are_kept(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("bench", "tuning", str(tmp_path / "outcomes"), "--domain", "code", "--tokens", "300", "--epochs", "1")
    code, output, errors = terminal.ccoe(*command, "--format", "json")

    assert code == 0, errors
    lines = json.loads(output)
    assert [line["case"]["method"] for line in lines] == ["general", "low_rank", "full"]
    assert [len(line["outcome"]["scores"]["django"]) for line in lines] == [3, 3, 3]
    assert 0 < lines[1]["outcome"]["num_tokens"] <= 300
    monkeypatch.delattr(comparison, "load_backbone")  # nothing is made a second time
    code, output, _ = terminal.ccoe(*command, "--format", "markdown")
    assert code == 0
    assert "| code | expert, low-rank |" in output


def test_epochs_are_timed_beside_peft(terminal: Terminal) -> None:
    code, output, errors = terminal.ccoe("bench", "tuning-speed", "--domain", "code", "--tokens", "300", "--json")

    assert code == 0, errors
    document = json.loads(output)
    assert list(document["courses"]) == ["low_rank", "full", "lora"]
    assert all(len(course["seconds"]) == 3 for course in document["courses"].values())
    assert {"low_rank, later epochs", "full, first epoch"} <= document["ratios"].keys()


def test_an_unknown_domain_is_refused_with_the_known_ones(terminal: Terminal, tmp_path: Path) -> None:
    code, _, errors = terminal.ccoe("bench", "tuning", str(tmp_path), "--domain", "cooking")
    assert code == 2
    assert "no domain 'cooking'; known: planner, math" in errors
