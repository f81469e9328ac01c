"""Rows that experts are scored on."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from experts.errors import DatasetError
from experts.training.datasets import SYNTHETIC_SQL, dataset
from experts.training.dev_sets import dev_sets


def write_rows(path: Path, *numbers: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"id": f"r{i}", "prompt": f"What is {i}?", "response": str(i)}) for i in numbers]
    path.write_text("\n".join(lines), encoding="utf-8")


def test_dev_rows_that_stand_in_train_are_left_out(tmp_path: Path) -> None:
    write_rows(tmp_path / "conala" / "train.jsonl", 1, 2, 3)
    write_rows(tmp_path / "conala" / "dev.jsonl", 3, 4, 5)

    ((of, rows),) = dev_sets(["conala"], tmp_path, tmp_path).items()

    assert of == dataset("conala")
    assert sorted(row.id for row in rows) == ["r4", "r5"]


def test_a_limit_takes_a_sample_that_is_the_same_every_time(tmp_path: Path) -> None:
    write_rows(tmp_path / "conala" / "train.jsonl", 0)
    write_rows(tmp_path / "conala" / "dev.jsonl", *range(1, 40))

    first, second = (dev_sets(["conala"], tmp_path, tmp_path, limit=6) for _ in range(2))

    assert first == second
    assert [len(rows) for rows in first.values()] == [6]


def test_the_projects_own_questions_come_with_a_database(tmp_path: Path) -> None:
    ((of, rows),) = dev_sets(["synthetic_sql"], tmp_path / "nowhere", tmp_path).items()

    assert (of.name, len(rows)) == (SYNTHETIC_SQL.name, SYNTHETIC_SQL.num_scored_rows)
    assert of.database is not None
    with closing(sqlite3.connect(of.database)) as connection:
        assert connection.execute(rows[0].target).fetchall()
    assert dev_sets(["synthetic_sql"], tmp_path, tmp_path, limit=4) == {of: rows[:4]}


def test_the_projects_own_notes_need_no_data_directory(tmp_path: Path) -> None:
    ((of, rows),) = dev_sets(["synthetic_notes"], tmp_path / "nowhere", tmp_path, limit=5).items()

    assert (of.metric, len(rows)) == ("exact_match", 5)
    assert all(row.target in row.parts.context or row.target == "not found" for row in rows)


def test_rows_that_are_missing_are_said(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="cannot be read"):
        dev_sets(["conala"], tmp_path, tmp_path)
