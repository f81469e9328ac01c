"""`ccoe eval`: any expert on its dev sets or on a file, beside the general one."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from experts.backbone import Backbone
from experts.card import Metric
from experts.checkpoint import save_expert
from experts.expert import Expert
from experts.registry import Registry
from orchestrator.settings import Settings
from tests.experts.conftest import low_rank_expert, save_model
from tests.experts.families import FAMILIES, byte_tokenizer, make_model
from tests.orchestrator.cli.conftest import Terminal

METRICS = ("exact_match", "label", "answer", "query_match", "step_f1")


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Settings) -> Path:
    """Where the command is called; on a tiny backbone, `finance` is pushed without figures, `code` with one."""
    backbone = Backbone.split(make_model(FAMILIES[0]), byte_tokenizer())
    monkeypatch.setenv("CCOE_BACKBONE", str(save_model(backbone, tmp_path / "model")))
    monkeypatch.chdir(tmp_path)
    figure = {
        "metric": "exact_match",
        "num_rows": 3,
        "value": 1,
        "general": 0,
        "difference_low": 1,
        "difference_high": 1,
    }
    figures = tuple(Metric.model_validate({"dataset": name, **figure}) for name in ("conala", "all"))
    finance, code = (low_rank_expert(backbone, name) for name in ("finance", "code"))
    for expert in (finance, Expert(code.card.model_copy(update={"metrics": figures}), code.tensors)):
        save_expert(expert, tmp_path / expert.card.name)
        Registry(settings.experts_dir, None).push(tmp_path / expert.card.name)
    return tmp_path


def write_rows(path: Path, *numbers: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.dumps({"prompt": f"Is {i} even?", "response": "no" if i % 2 else "yes"}) for i in numbers]
    path.write_text("\n".join(rows), encoding="utf-8")


def figures(output: str) -> list[list[str]]:
    """The table's cells: data set, metric, rows, the expert's, the general one's."""
    lines = output.splitlines()
    first = next(i for i, line in enumerate(lines) if line.split()[:2] == ["data", "set"])
    return [line.split()[:5] for line in lines[first + 1 :]]


@pytest.mark.parametrize("metric", METRICS)
def test_a_pushed_expert_is_scored_on_a_file_by_every_metric(metric: str, terminal: Terminal, folder: Path) -> None:
    write_rows(folder / "mine.jsonl", *range(6))
    code, output, errors = terminal.ccoe("eval", "finance", "--file", "mine.jsonl", "--metric", metric)
    assert code == 0, errors
    ((name, scored_by, num_rows, own, general),) = figures(output)
    assert (name, scored_by, num_rows) == ("mine", metric, "6")
    assert 0 <= float(own) <= 1
    assert 0 <= float(general) <= 1
    assert "12 of 12 rows" in output


def test_several_experts_are_scored_on_the_same_rows(terminal: Terminal, folder: Path) -> None:
    write_rows(folder / "mine.jsonl", *range(8))
    output = terminal.ccoe("eval", "finance", "code", "--file", "mine.jsonl", "--metric", "label", "--limit", "5")[1]
    assert [line.split()[:3] for line in output.splitlines() if "label" in line] == [["mine", "label", "5"]] * 2


def test_a_card_names_the_dev_sets_whose_rows_are_new(
    terminal: Terminal, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_rows(folder / "sets" / "conala" / "train.jsonl", *range(10))
    write_rows(folder / "sets" / "conala" / "dev.jsonl", *range(7, 13))
    monkeypatch.setenv("CCOE_DATA", str(folder / "sets"))
    code, output, errors = terminal.ccoe("eval", "code")
    assert code == 0, errors
    assert [line[:3] for line in figures(output)] == [["conala", "exact_match", "3"]]
    assert [line[2] for line in figures(terminal.ccoe("eval", "code", "--limit", "2")[1])] == ["2"]


def test_metrics_can_be_read_by_a_program(terminal: Terminal, folder: Path) -> None:
    write_rows(folder / "mine.jsonl", *range(4))
    own = ("finance", "--file", "mine.jsonl", "--metric", "label")
    code, output, _ = terminal.ccoe("eval", *own, "--format", "json")
    (figure,) = json.loads(output)["finance"]
    assert (code, figure["dataset"], figure["num_rows"]) == (0, "mine", 4)
    lines = terminal.ccoe("eval", *own, "--format", "markdown")[1].splitlines()
    assert lines[0] == (
        "| data set | metric | rows | finance | general | difference (95 %) | majority | above it (95 %) |"
    )
    assert figure["majority"] == 0.5
    assert figure["majority_low"] <= figure["value"] - figure["majority"] <= figure["majority_high"]
    assert lines[2].startswith("| mine | label | 4 | ")


def test_experts_are_compared_by_name_and_by_directory(terminal: Terminal, folder: Path) -> None:
    write_rows(folder / "mine.jsonl", *range(6))
    arguments = ("--compare", "general,finance,./code", "--file", "mine.jsonl", "--metric", "label")
    code, output, errors = terminal.ccoe("eval", *arguments, "--format", "json")
    assert code == 0, errors
    document = json.loads(output)
    assert document["experts"] == ["general", "finance", "./code"]
    assert [line["measure"] for line in document["lines"]] == ["label", "macro_f1", "loss", "perplexity"]
    for line in document["lines"]:
        first, *others = line["figures"]
        assert first["difference"] is None
        assert all(one["difference"][0] == pytest.approx(one["value"] - first["value"]) for one in others)
        assert all(one["low"] <= one["value"] <= one["high"] for one in line["figures"])
    assert "macro_f1" in terminal.ccoe("eval", *arguments)[1]


def test_queries_are_executed_on_the_database(terminal: Terminal, folder: Path) -> None:
    with closing(sqlite3.connect(folder / "shop.sqlite")) as connection:
        connection.execute("CREATE TABLE stock (item TEXT)")
        connection.commit()
    row = {"prompt": "Everything", "response": "SELECT item FROM stock", "domain": "sql"}
    (folder / "mine.jsonl").write_text(json.dumps(row), encoding="utf-8")
    rows = ("--file", "mine.jsonl", "--metric", "execution", "--database", "shop.sqlite")
    code, output, errors = terminal.ccoe("eval", "--compare", "general,finance", *rows, "--format", "json")
    assert code == 0, errors
    measures = [line["measure"] for line in json.loads(output)["lines"]]
    assert measures == ["execution", "execution_without_grammar", "query_match", "loss", "perplexity"]


def test_the_projects_own_queries_are_executed_without_a_data_directory(terminal: Terminal) -> None:
    arguments = ("--compare", "general,finance", "--dataset", "synthetic_sql", "--limit", "3", "--format", "json")
    code, output, errors = terminal.ccoe("eval", *arguments)
    assert code == 0, errors
    execution, *_ = json.loads(output)["lines"]
    assert (execution["dataset"], execution["measure"], execution["num_rows"]) == ("synthetic_sql", "execution", 3)


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["--compare", "general,finance"], 2, "--compare needs rows"),
        (["--compare", "general,alchemy", "--file", "mine.jsonl", "--metric", "label"], 1, "no expert 'alchemy'"),
        (["finance", "--compare", "general", "--dataset", "mawps"], 2, "what is 'finance' for?"),
        (["--compare", "general,finance", "--dataset", "medquad"], 2, "no scored data set 'medquad'"),
        (["finance", "--dataset", "mawps"], 2, "--dataset is for --compare"),
        (["finance", "--file", "mine.jsonl", "--metric", "execution"], 2, "--database go together"),
        (
            ["finance", "--file", "mine.jsonl", "--metric", "execution", "--database", "mine.jsonl"],
            2,
            "execution is for --compare",
        ),
        (["finance", "--file", "nowhere.jsonl", "--metric", "label"], 2, "nowhere.jsonl: cannot be read"),
        (["finance", "--file", "bad.jsonl", "--metric", "label"], 2, "bad.jsonl:2: field 'prompt' must be a text"),
        (["finance", "--file", "mine.jsonl"], 2, "--file and --metric go together"),
        (["finance", "--metric", "label"], 2, "--file and --metric go together"),
        (["finance", "--file", "mine.jsonl", "--metric", "taste"], 2, "'taste' is not one of"),
        (["alchemy", "--file", "mine.jsonl", "--metric", "label"], 1, "no expert 'alchemy'; known:"),
        (["code"], 2, "CCOE_DATA cannot be used"),
    ],
)
def test_what_cannot_be_scored_is_said(
    arguments: list[str], code: int, reason: str, terminal: Terminal, folder: Path
) -> None:
    write_rows(folder / "mine.jsonl", 1, 2)
    (folder / "bad.jsonl").write_text('{"prompt": "a", "response": "b"}\n{"response": "b"}\n', encoding="utf-8")
    found, _, errors = terminal.ccoe("eval", *arguments)
    assert (found, reason in errors) == (code, True), errors


def test_an_expert_without_dev_sets_is_scored_on_files_only(
    terminal: Terminal, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CCOE_DATA", str(folder))
    code, _, errors = terminal.ccoe("eval", "finance")
    assert (code, "nothing in it is for 'finance'; score it with --file and --metric" in errors) == (2, True), errors


def test_a_data_directory_without_the_set_is_named(
    terminal: Terminal, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CCOE_DATA", str(folder))
    code, _, errors = terminal.ccoe("eval", "code")
    assert (code, "conala/train.jsonl: cannot be read" in errors) == (2, True), errors
