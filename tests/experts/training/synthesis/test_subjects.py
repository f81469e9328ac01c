"""Rows of data sets for tasks that quote them: their own text, without the words that the set has around each."""

import json
from pathlib import Path
from typing import Any

from experts.training.rows import Quote
from experts.training.synthesis.subjects import MAX_CHARACTERS, Subject, read_subjects

ROWS: dict[str, dict[str, Any]] = {
    "cuad_clause_type": {"prompt": "Which type is this? Options: A, B.\nClause: It ends in May.", "response": "A"},
    "medquad_qtype": {"prompt": "What is described? Options: a, b.\nPassage: It itches.", "response": "a"},
    "medquad": {"prompt": "What causes gout?", "response": "Uric acid."},
    "conala": {"prompt": "Write Python code: sort a list", "response": "x.sort()"},
    "nl2bash": {"prompt": "Write a bash command: list all files", "response": "ls"},
    "mawps": {"prompt": "3 and 4?", "response": "3 + 4 = 7", "meta": {"expr": "3 + 4", "answer": "7"}},
    "svamp": {"prompt": "x" * (MAX_CHARACTERS + 1), "response": "1", "meta": {"expr": "1", "answer": "1"}},
    "plan_2wiki": {"question": "When was its author born?", "steps": [{"id": 1, "text": "Who wrote Emma?"}]},
}


def test_each_kind_has_its_own_texts(tmp_path: Path) -> None:
    for name, row in ROWS.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "train.jsonl").write_text(json.dumps({"id": f"{name}-1", **row}) + "\n")

    subjects = read_subjects(tmp_path)

    assert {kind: [one.text for one in found] for kind, found in subjects.items()} == {
        "law": ["It ends in May."],
        "medical": ["It itches."],
        "medical question": ["What causes gout?"],
        "code": ["sort a list"],
        "shell": ["list all files"],
        "problem": ["3 and 4?"],
        "general": ["Who wrote Emma?"],
    }
    assert subjects["problem"] == [Subject("3 and 4?", "problem", "math", Quote("mawps", "mawps-1"), "3 + 4", "7")]
