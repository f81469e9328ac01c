"""Rows of the shared format, in the layout of the service; faults are named by file and line."""

import json
from pathlib import Path
from typing import Any

import pytest

from experts.errors import DatasetError
from experts.prompt import PromptParts
from experts.training.rows import TrainingRow, plan_segments, read_rows


def read(tmp_path: Path, *rows: Any, name: str = "set") -> list[TrainingRow]:
    path = tmp_path / name / "train.jsonl"
    path.parent.mkdir()
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows))
    return read_rows(path)


def test_a_prompt_is_the_task(tmp_path: Path) -> None:
    (row,) = read(tmp_path, {"id": "a", "domain": "law", "prompt": "Which?\nClause: x", "response": " Insurance "})
    assert (row.id, row.parts.task, row.response, row.target) == ("a", "Which?\nClause: x", "Insurance", "Insurance")


def test_a_chat_is_a_task_and_its_answer(tmp_path: Path) -> None:
    question = {"role": "user", "content": "Which?"}
    (row,) = read(tmp_path, {"messages": [question, {"role": "assistant", "content": "This."}]})
    assert (row.id, row.parts, row.segments, row.target) == ("train-1", PromptParts("Which?"), ("This.",), "This.")


def test_an_equation_is_learnt_without_its_value(tmp_path: Path) -> None:
    meta = {"expr": "56 * 9", "answer": "504"}
    (row,) = read(tmp_path, {"prompt": "How many?", "response": "56 * 9 = 504", "meta": meta})
    assert (row.response, row.target) == ("56 * 9", "504")


def test_a_query_has_its_tables_as_the_tools_context(tmp_path: Path) -> None:
    prompt = "Table: t(a, b)\nQuestion: What is a?\nSQL:"
    (row,) = read(tmp_path, {"domain": "sql", "prompt": prompt, "response": "SELECT a FROM t"})
    assert (row.parts.task, row.parts.context) == ("What is a?", "Tables: t(a, b)")


def test_a_plan_is_cut_where_the_service_decodes_it_apart(tmp_path: Path) -> None:
    steps = [{"id": 1, "text": 'Who wrote "X"?', "depends_on": []}, {"id": 2, "text": "When was #1 born?"}]
    (row,) = read(tmp_path, {"question": "When?", "steps": steps}, name="plan_2wiki")

    assert [step["text"] for step in json.loads(row.response)] == ['Who wrote "X"?', "When was #1 born?"]
    assert row.segments[:3] == ('[{"id":1,"text":"', 'Who wrote \\"X\\"?","expert":"', 'general"')
    assert row.parts.context == "Decompose the question in the style of 2wiki."


def test_segments_join_to_compact_json() -> None:
    text = "".join(plan_segments([("a", "sql"), ("#1 times 2", "math")]))
    assert text == '[{"id":1,"text":"a","expert":"sql"},{"id":2,"text":"#1 times 2","expert":"math"}]'


def test_a_line_separator_inside_a_text_is_no_new_line(tmp_path: Path) -> None:
    assert len(read(tmp_path, {"prompt": "a\u2028b", "response": "c"})) == 1


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("{", "not JSON"),
        ("[1]", "not an object"),
        ({"prompt": "a"}, "'response'"),
        ({"prompt": "a", "response": "  "}, "'response'"),
        ({"messages": [{"role": "user", "content": "a"}]}, "must be the assistant's"),
        (
            {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": ""}]},
            "message 2 .* content",
        ),
        ({"prompt": 3, "response": "a"}, "'prompt'"),
        ({"question": "a", "steps": []}, "at least one step"),
        ({"question": "a", "steps": [{"id": 1}]}, "needs a text"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(bad: Any, reason: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=rf"train\.jsonl:2: .*{reason}"):
        read(tmp_path, {"prompt": "a", "response": "b"}, bad)


def test_an_empty_or_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="has no rows"):
        read(tmp_path, "")
    with pytest.raises(DatasetError, match="CCOE_DATA"):
        read_rows(tmp_path / "nowhere.jsonl")
