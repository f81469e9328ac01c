"""What experts are scored on: samples of the data sets' dev rows, and questions that the project makes for it."""

import random
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from experts.training.datasets import SYNTHETIC_NOTES, SYNTHETIC_SQL, Dataset, dataset
from experts.training.encoding import Rows
from experts.training.rows import TrainingRow, read_rows
from experts.training.synthesis.held_out import held_out_rows, write_database
from experts.training.synthesis.notes import held_out_readings, reading_parts

_NUM_ROWS = {"label": 120, "step_f1": 20}
"""Of a set that are scored; decoding costs more than comparing labels."""
_USUAL_NUM_ROWS = 60


def dev_sets(names: Iterable[str], data: Path, scratch: Path, limit: int | None = None) -> Rows:
    """The rows of each set that are scored; a database that the project makes is written to `scratch`.

    Raises DatasetError.
    """
    return dict(_dev_set(dataset(name), data, scratch, limit) for name in names)


def _dev_set(of: Dataset, data: Path, scratch: Path, limit: int | None) -> tuple[Dataset, list[TrainingRow]]:
    limit = limit or of.num_scored_rows or _NUM_ROWS.get(of.metric, _USUAL_NUM_ROWS)
    if of == SYNTHETIC_NOTES:
        return of, [
            TrainingRow(f"{of.name}-{i}", reading_parts(one), (one.answer,), one.answer)
            for i, one in enumerate(held_out_readings(limit), 1)
        ]
    if of != SYNTHETIC_SQL:
        return of, _dev_rows(data / of.name, limit)
    database = scratch / f"{of.name}.sqlite"
    if not database.exists():
        write_database(database)
    return replace(of, database=str(database.resolve())), held_out_rows(limit)


def _dev_rows(directory: Path, limit: int) -> list[TrainingRow]:
    """A seeded sample of a set's dev rows, without those whose prompt stands in its train."""
    seen = {row.parts.task for row in read_rows(directory / "train.jsonl")}
    rows = [row for row in read_rows(directory / "dev.jsonl") if row.parts.task not in seen]
    return random.Random(directory.name).sample(rows, min(limit, len(rows)))
