"""`ccoe gate`: a text's expert from the local engine or a running service; training and what it stores."""

import json
from pathlib import Path

import pytest

from experts.backbone import Backbone
from experts.checkpoint import save_expert
from experts.expert import Expert
from experts.gating.classifier import Classifier
from experts.registry import Registry
from experts.training.gate_texts import DEV_SETS
from orchestrator.settings import Settings
from tests.experts.conftest import low_rank_expert, save_model
from tests.experts.families import FAMILIES, byte_tokenizer, make_model
from tests.orchestrator.cli.conftest import Terminal
from tests.orchestrator.processes import ccoe, line_with, process

CLAUSE = "Which type of contract clause is this? Options: a, b.\nClause: "


@pytest.fixture
def backbone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Settings) -> Backbone:
    """A tiny one, for which no built-in expert or gate was made, with an expert `tax` that has rules."""
    backbone = Backbone.split(make_model(FAMILIES[0]), byte_tokenizer())
    monkeypatch.setenv("CCOE_BACKBONE", str(save_model(backbone, tmp_path / "model")))
    tax = low_rank_expert(backbone, "tax")
    rules = tax.card.model_copy(update={"gate": tax.card.gate.model_copy(update={"keywords": ("vat",)})})
    save_expert(Expert(rules, tax.tensors), tmp_path / "tax")
    Registry(settings.experts_dir).push(tmp_path / "tax")
    return backbone


@pytest.mark.usefixtures("backbone")
def test_a_text_comes_to_an_expert_by_its_rule_and_the_missing_gate_is_named(terminal: Terminal) -> None:
    code, output, _ = terminal.ccoe("gate", "ask", "What is the VAT on books?")
    assert code == 0
    assert "tax: its rule fired" in output
    assert "keyword 'vat'" in output
    assert "ccoe gate train" in output

    answer = json.loads(terminal.ccoe("gate", "ask", "--json", "Sing a song.")[1])
    assert (answer["expert"], answer["reason"]) == ("general", "nothing")


def test_an_empty_text_is_refused(terminal: Terminal) -> None:
    code, _, errors = terminal.ccoe("gate", "ask", " ")
    assert (code, "error: " in errors) == (2, True)


async def test_a_running_service_is_asked() -> None:
    async with process("scripted_ccoe", "serve", "--port", "0") as serving:
        await line_with("serving at", serving)
        code, output, _ = await ccoe("gate", "ask", "What is the sum?")
        assert (code, "scripted" in output) == (0, True)


def write_set(data: Path, name: str, expert: str) -> None:
    """Twelve rows, the last four of them dev: each domain has a first letter of its own."""
    (data / name).mkdir()
    rows: list[dict[str, object]] = []
    for number in range(12):
        words = f"{expert[:2] * 6} {name} {number}"
        question = {"question": words, "steps": [{"id": 1, "text": words}]}
        prompt = f"{CLAUSE}{words}" if name == "cuad_clause_type" else words
        own = question if expert == "general" else {"prompt": prompt, "response": "x"}
        rows.append({"id": f"{name}-{number}", **own})
    for split, part in (("train", rows[:8]), ("dev", rows[8:])):
        text = "".join(json.dumps(row) + "\n" for row in part)
        (data / name / f"{split}.jsonl").write_text(text, encoding="utf-8")


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    folder = tmp_path / "rows"
    folder.mkdir()
    for name, expert in {**{one.name: one.expert for one in DEV_SETS}, "conala": "code"}.items():
        write_set(folder, name, expert)
    monkeypatch.setenv("CCOE_DATA", str(folder))
    return folder


@pytest.mark.usefixtures("data")
def test_a_gate_is_trained_stored_and_used(backbone: Backbone, terminal: Terminal, settings: Settings) -> None:
    code, output, errors = terminal.ccoe("gate", "train", "--rows", "20", "--json")
    assert (code, errors) == (0, errors)
    document = json.loads(output)
    stored = settings.experts_dir / "gate.json"
    assert document["path"] == str(stored)
    card = Classifier.load(stored).card
    assert (card.backbone_hash, document["card"]["version"]) == (backbone.hash, card.version)
    assert {one.name for one in card.experts} == {"code", "law", "math", "medical", "sql"}
    of_all = {figure.expert: figure for figure in card.figures if figure.dataset == "all"}
    assert (of_all["domains"].num_rows, of_all["general"].num_rows) == (36, 24)
    assert {one.name for one in card.combinations} >= {"rules alone", "classifier alone"}

    shown = terminal.ccoe("gate", "show")[1]
    assert f"gate {card.version}" in shown
    assert "hotpot_comparison" in shown

    answer = json.loads(terminal.ccoe("gate", "ask", "--json", "mamamamamama mawps 9")[1])
    assert (answer["remark"], answer["threshold"]) == ("", pytest.approx(card.threshold))
    assert sum(answer["scores"].values()) == pytest.approx(1.0, abs=1e-4)


def test_training_without_data_names_the_setting(terminal: Terminal) -> None:
    code, _, errors = terminal.ccoe("gate", "train")
    assert (code, "CCOE_DATA" in errors) == (2, True)
