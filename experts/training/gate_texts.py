"""The texts that a gate is trained on and measured with: what a user would ask, and which expert is right for it."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from experts.gating.classifier import GENERAL
from experts.training.datasets import SYNTHETIC
from experts.training.own_text import own_text
from experts.training.recipes import RECIPES
from experts.training.row_maker import RowMaker, asked
from experts.training.rows import TrainingRow, read_json_lines, read_rows
from experts.training.synthesis.everyday import Kind, general_text
from experts.training.synthesis.tasks import Calculate, compose

TextForm = Literal["text", "tables", "prompt", "asked", "databases"]
"""A row's own text; the tables before a question about them; the whole prompt of its set; as people would ask; the own
text of a question that was collected to be asked of a database."""

_GENERAL_SETS = ("plan_strategyqa", "plan_2wiki", "plan_break_high", "plan_break_low")
DOMAINS = {recipe.name: tuple(recipe.sets) for recipe in RECIPES if recipe.sets and recipe.name != "planner"}
"""The experts that a gate knows, and their sets."""
NUM_ROWS = 150
"""Of each set, drawn by the seed."""
_HARD_SETS = (*_GENERAL_SETS, "sql_wikisql")
_MORE_FORMS: tuple[TextForm | None, ...] = ("prompt", "asked", "tables", None)
_NUM_DEV_ROWS = 150
"""Of each set at most, so that no set outweighs the others."""
_MORE = 4
"""Times as many rows of these: questions about a table that is not named, and about the world, look alike."""
_ASKED_OF_DATABASES = ("break-low-SPIDER", "break-low-ATIS", "break-low-GEO")
"""Beginnings of the ids of questions that were collected to be asked of databases: nobody can say that they are for
`general`, so they are not trained on, and measured apart."""


@dataclass(frozen=True, slots=True)
class DevSet:
    """Dev rows in one form, and the expert that is right for all of them."""

    name: str
    expert: str
    form: TextForm = "text"
    counts: bool = True
    """Whether it is in the total over all sets; the others are measured beside it."""


DEV_SETS = (
    *(DevSet(name, expert, counts=name != "sql_wikisql") for expert, names in DOMAINS.items() for name in names),
    DevSet("sql_wikisql", "sql", "tables"),
    DevSet("sql_geography", "sql", "text", counts=False),
    DevSet("sql_geography", "sql", "tables", counts=False),
    *(DevSet(name, GENERAL) for name in (*_GENERAL_SETS, "hotpot_comparison", "parallelqa")),
    DevSet("plan_break_low", GENERAL, "databases", counts=False),
)


@dataclass(frozen=True, slots=True)
class GateText:
    """One text. Texts of the same row have the same `row_id`."""

    dataset: str
    row_id: str
    form: TextForm
    text: str
    expert: str


def training_texts(data: Path, calculate: Calculate, seed: int, num_rows: int = NUM_ROWS) -> list[GateText]:
    """Texts of the domains' train rows, of decomposed questions for `general`, and of rows that the project makes.

    Every row gives its own text, and one in four another form of it too, for each of the other forms.
    The first rows are the same whatever their number. Raises DatasetError.
    """
    texts: list[GateText] = []
    sets = [(name, expert) for expert, names in DOMAINS.items() for name in names]
    for name, expert in (*sets, *((name, GENERAL) for name in _GENERAL_SETS)):
        rng, rows = random.Random(f"gate-{seed}-{name}"), read_rows(data / name / "train.jsonl")
        rng.shuffle(rows)
        number = num_rows * _MORE if name in _HARD_SETS else num_rows
        for index, row in enumerate(row for row in rows[:number] if not row.id.startswith(_ASKED_OF_DATABASES)):
            texts += _forms(name, row, expert, _MORE_FORMS[index % len(_MORE_FORMS)], rng)
    maker = RowMaker.load(data, _no_count, calculate, f"gate-{seed}")
    return texts + list(_made(maker, seed, num_rows))


def dev_texts(data: Path, of: DevSet) -> list[GateText]:
    """A seeded sample of a set's dev rows, without those whose prompt stands in its train. Raises DatasetError."""
    folder, rng = data / of.name, random.Random(of.name)
    if of.expert == GENERAL:  # questions alone: some of these sets have no steps to read
        is_wanted = of.form == "databases"
        lines = (raw for _, raw in read_json_lines(folder / "dev.jsonl"))
        rows = [raw for raw in lines if str(raw["id"]).startswith(_ASKED_OF_DATABASES) == is_wanted]
        drawn = rng.sample(rows, min(_NUM_DEV_ROWS, len(rows)))
        return [GateText(of.name, str(raw["id"]), of.form, str(raw["question"]), GENERAL) for raw in drawn]
    seen = {_prompt(row) for row in read_rows(folder / "train.jsonl")}
    rows = [row for row in read_rows(folder / "dev.jsonl") if _prompt(row) not in seen]
    drawn = rng.sample(rows, min(_NUM_DEV_ROWS, len(rows)))
    return [GateText(of.name, row.id, of.form, _shaped(of.name, row, of.form, rng), of.expert) for row in drawn]


def _forms(name: str, row: TrainingRow, expert: str, more: TextForm | None, rng: random.Random) -> Iterator[GateText]:
    own = _shaped(name, row, "text", rng)
    yield GateText(name, row.id, "text", own, expert)
    if more is not None and (other := _shaped(name, row, more, rng)) != own:
        yield GateText(name, row.id, more, other, expert)


def _shaped(name: str, row: TrainingRow, form: TextForm, rng: random.Random) -> str:
    task, tables = row.parts.task, _tables(row)
    match form:
        case "prompt":
            return _prompt(row)
        case "asked":
            return asked(name, row, rng).parts.task
        case "tables" if tables:
            return f"{tables}\n{task}"
        case _:
            return own_text(name, task)


def _prompt(row: TrainingRow) -> str:
    """The prompt of the set; of a question about tables, with the tables."""
    tables = _tables(row)
    return f"Tables: {tables}\nQuestion: {row.parts.task}" if tables else row.parts.task


def _tables(row: TrainingRow) -> str:
    tables = row.parts.context.removeprefix("Tables: ")
    return "" if tables == row.parts.context else tables


def _made(maker: RowMaker, seed: int, num_rows: int) -> Iterator[GateText]:
    """Steps of so many composed tasks, as a planner would write them, and as many requests of both general kinds."""
    for number in range(num_rows):
        for index, piece in enumerate(compose(maker.rng, maker.world).steps, 1):
            yield GateText(SYNTHETIC.name, f"composed-{number}-{index}", "text", piece.step, piece.expert)
    for kind in get_args(Kind):
        rng = random.Random(f"gate-{seed}-{kind}")
        for number in range(num_rows):
            yield GateText(SYNTHETIC.name, f"{kind}-{number}", "text", general_text(kind, rng), GENERAL)


def composed_tasks(data: Path, calculate: Calculate, seed: str, count: int) -> list[tuple[str, int]]:
    """Tasks that the project makes, each with its number of steps. Raises DatasetError."""
    maker = RowMaker.load(data, _no_count, calculate, seed)
    made = [compose(maker.rng, maker.world) for _ in range(count)]
    return [(one.task, len(one.steps)) for one in made]


def everyday_texts(seed: str, count: int) -> list[str]:
    """Requests for nobody in particular, and small talk."""
    rng = random.Random(seed)
    return [general_text("everyday", rng) for _ in range(count)]


def _no_count(row: TrainingRow) -> int:
    return 0


def own_rows(texts: Sequence[GateText]) -> set[tuple[str, str]]:
    """The rows that texts are of: set and id."""
    return {(one.dataset, one.row_id) for one in texts}
