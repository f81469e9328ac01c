"""Two recipes and a data directory that is just large enough for them."""

import json
from collections.abc import Sequence
from pathlib import Path

from experts.training.recipes import Recipe

TINY_RECIPES = (
    Recipe(
        "law", "Sentences of courts.", "Label:", {"legalbench_overruling": 300}, epochs=1, rank=3, learning_rate=2e-3
    ),
    Recipe("medical", "Passages.", "Label:", {"medquad_qtype": 300}, epochs=1),
)


def write_data(folder: Path) -> Path:
    """Short rows of every set that a row maker reads, and dev rows of those that are scored."""
    question = {"id": "w1", "question": "Who?", "steps": [{"id": 1, "text": "Who was it?", "depends_on": []}]}
    names = "cuad_clause_type medquad_qtype conala nl2bash medquad mawps svamp legalbench_overruling"
    for name in names.split():
        for split in ("train", "dev"):
            rows = [{"id": f"{split}-{i}", "prompt": f"{split} {i}?", "response": "yn"[i % 2]} for i in range(4)]
            _write(folder / name / f"{split}.jsonl", rows)
    _write(folder / "plan_2wiki" / "train.jsonl", [question])
    return folder


def _write(path: Path, rows: Sequence[object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
