"""Which lines a comparison has, on which rows, and that a finished one is not made again."""

import json
from pathlib import Path

import pytest

from experts.backbone import Backbone
from experts.benchmark.tuning.case import Case, Outcome, OutcomeFiles, cases, scored_rows, training_rows
from experts.training.encoding import encode
from experts.training.recipes import Recipe

RECIPE = Recipe("code", "Code.", "Code:", {"django": 300, "nl2bash": 100})


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name in RECIPE.sets:
        for part, size in (("train", 60), ("dev", 5)):
            rows = [{"id": f"{name}-{part}-{i}", "prompt": f"{part} {i}?", "response": str(i)} for i in range(size)]
            path = tmp_path / name / f"{part}.jsonl"
            path.parent.mkdir(exist_ok=True)
            path.write_text("\n".join(map(json.dumps, rows)))
    return tmp_path


def test_all_layers_are_tuned_where_it_is_affordable_and_one_domain_is_split_elsewhere_too() -> None:
    assert [case.method for case in cases(["code"])] == ["general", "low_rank", "full"]
    assert [case.method for case in cases(["law"])] == ["general", "low_rank", "full", "lora", "all_weights"]
    assert [case.num_shared_layers for case in cases(["sql"])] == [None] * 5 + [15, 15, 19, 19, 26, 26]


def test_every_case_gets_the_same_rows_in_the_recipes_parts(data: Path, backbone: Backbone) -> None:
    first, second = (training_rows(backbone, data, RECIPE, 2000, seed=0) for _ in range(2))
    sizes = [sum(encode(backbone, row, RECIPE.suffix).num_tokens for row in rows) for rows in first.values()]

    assert first == second
    other = training_rows(backbone, data, RECIPE, 2000, seed=1)
    assert all(first[of] != other[of] for of in first)
    assert 1400 < sizes[0] <= 1500
    assert 400 < sizes[1] <= 500
    assert {len(rows) for rows in scored_rows(data, RECIPE).values()} == {5}


def test_a_finished_case_is_read_and_not_made_again(tmp_path: Path) -> None:
    files, made = OutcomeFiles(tmp_path / "outcomes", {"tokens": 10}), list[Case]()

    def make(case: Case) -> Outcome:
        made.append(case)
        return Outcome(scores={"rows": (0.0, 1.0)})

    for case in (Case("sql", "full"), Case("sql", "full", 15), Case("sql", "full")):
        assert files.get(case, make).all_scores == [0.0, 1.0]
    OutcomeFiles(tmp_path / "outcomes", {"tokens": 20}).get(Case("sql", "full"), make)

    assert made == [Case("sql", "full"), Case("sql", "full", 15), Case("sql", "full")]
