"""Which texts a gate is trained on: their own words, not those of their sets; train rows, not dev rows."""

import json
import os
from pathlib import Path

import pytest

from experts.gating.classifier import GENERAL
from experts.training.gate_texts import DEV_SETS, DOMAINS, DevSet, dev_texts, own_rows, training_texts
from orchestrator.cli.calculation import calculate

DATA = os.environ.get("CCOE_DATA")


def write_set(data: Path, name: str, train: list[dict[str, str]], dev: list[dict[str, str]]) -> None:
    (data / name).mkdir()
    for split, rows in (("train", train), ("dev", dev)):
        lines = [json.dumps({"id": f"{split}-{i}", **row}) + "\n" for i, row in enumerate(rows)]
        (data / name / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")


def row(prompt: str, domain: str = "code") -> dict[str, str]:
    return {"prompt": prompt, "response": "x", "domain": domain}


def test_fixed_words_are_left_out_of_a_text(tmp_path: Path) -> None:
    write_set(tmp_path, "nl2bash", [row("Write a bash command: one")], [row("Write a bash command: list files")])
    options = "What does this medical passage describe? Options: a, b.\nPassage: It hurts."
    write_set(tmp_path, "medquad_qtype", [row("Passage: other")], [row(options)])

    assert [one.text for one in dev_texts(tmp_path, DevSet("nl2bash", "code"))] == ["list files"]
    assert [one.text for one in dev_texts(tmp_path, DevSet("medquad_qtype", "medical"))] == ["It hurts."]


def test_a_question_about_tables_is_asked_alone_and_with_them(tmp_path: Path) -> None:
    prompt = "Table: t(a, b)\nQuestion: Which a?\nSQL:"
    write_set(tmp_path, "sql_wikisql", [row("Table: t(c)\nQuestion: Which c?\nSQL:", "sql")], [row(prompt, "sql")])
    alone, whole = DevSet("sql_wikisql", "sql"), DevSet("sql_wikisql", "sql", "tables")
    assert [one.text for one in dev_texts(tmp_path, alone)] == ["Which a?"]
    assert [one.text for one in dev_texts(tmp_path, whole)] == ["t(a, b)\nWhich a?"]


def test_questions_that_were_collected_for_databases_are_measured_apart(tmp_path: Path) -> None:
    (tmp_path / "plan_break_low").mkdir()
    rows = [
        {"id": "break-low-SPIDER_1", "question": "Which shops?"},
        {"id": "break-low-DROP_1", "question": "Who won?"},
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "plan_break_low" / "dev.jsonl").write_text(lines, encoding="utf-8")

    counted, apart = DevSet("plan_break_low", GENERAL), DevSet("plan_break_low", GENERAL, "databases", counts=False)
    assert [one.text for one in dev_texts(tmp_path, counted)] == ["Who won?"]
    assert [one.text for one in dev_texts(tmp_path, apart)] == ["Which shops?"]


def test_a_dev_row_that_also_stands_in_train_is_left_out(tmp_path: Path) -> None:
    write_set(
        tmp_path, "django", [row("Write one line of Python: a")], [row(f"Write one line of Python: {c}") for c in "ab"]
    )
    assert [one.text for one in dev_texts(tmp_path, DevSet("django", "code"))] == ["b"]


@pytest.mark.skipif(DATA is None, reason="the training data are not here: set CCOE_DATA")
def test_no_dev_row_is_trained_on() -> None:
    data = Path(str(DATA))
    texts = training_texts(data, calculate, seed=0)
    dev = [one for of in DEV_SETS for one in dev_texts(data, of)]

    assert not own_rows(texts) & own_rows(dev)
    assert {one.expert for one in texts} == {*DOMAINS, GENERAL}
    assert texts == training_texts(data, calculate, seed=0)
    assert not {"sql_geography", "hotpot_comparison", "parallelqa"} & {one.dataset for one in texts}
