"""What is compared: a domain, a way of tuning, a split; and what came of it, kept on disk."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Literal

from pydantic import BaseModel, ConfigDict

from experts.backbone import Backbone
from experts.benchmark.tuning.method import EXPERTS, METHODS, Method
from experts.training.datasets import Dataset, dataset
from experts.training.dev_sets import dev_sets
from experts.training.encoding import Rows, encode
from experts.training.recipes import RECIPES, Recipe
from experts.training.row_maker import rows_within
from experts.training.rows import TrainingRow, read_rows

WITH_ALL_LAYERS = ("math", "sql", "law")
"""Domains on which the ways that change every layer are tried too; they cost five times an expert's."""
SWEPT = "sql"
SPLITS = (15, 19, 26)
"""Other l_b than the usual one, for the swept domain."""


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the comparison."""

    domain: str
    method: Method | Literal["general"]
    num_shared_layers: int | None = None
    """None: the usual split."""

    @property
    def name(self) -> str:
        split = "" if self.num_shared_layers is None else f"-{self.num_shared_layers}"
        return f"{self.domain}-{self.method}{split}"


class Outcome(BaseModel):
    """What a case came to. Scores are of the dev rows, by data set, in the rows' order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    num_shared_layers: int = 0
    """None is, where all layers are tuned."""
    num_rows: int = 0
    num_tokens: int = 0
    """Of one epoch."""
    num_parameters: int = 0
    learning_rate: float = 0.0
    epoch_losses: tuple[float, ...] = ()
    epoch_seconds: tuple[float, ...] = ()
    scores: Mapping[str, tuple[float, ...]]

    @property
    def all_scores(self) -> list[float]:
        return [score for scores in self.scores.values() for score in scores]


def cases(domains: Sequence[str]) -> Iterator[Case]:
    """All lines for these domains, the reference first."""
    for domain in domains:
        yield Case(domain, "general")
        for method in METHODS if domain in WITH_ALL_LAYERS else EXPERTS:
            yield Case(domain, method)
        if domain == SWEPT:
            for split in SPLITS:
                for method in EXPERTS:
                    yield Case(domain, method, split)


def recipe_of(domain: str) -> Recipe:
    """The built-in expert of the domain; its sets and its suffix are used. Raises KeyError."""
    return {recipe.name: recipe for recipe in RECIPES}[domain]


def training_rows(backbone: Backbone, data: Path, recipe: Recipe, num_tokens: int, seed: int) -> Rows:
    """Rows of the recipe's data sets as they are, so many tokens together, in the recipe's parts."""
    whole = sum(recipe.sets.values())
    found: dict[Dataset, list[TrainingRow]] = {}
    for name, share in recipe.sets.items():
        rows = read_rows(data / name / "train.jsonl")
        Random(f"{name}-{seed}").shuffle(rows)
        budget = num_tokens * share // whole
        found[dataset(name)] = rows_within(rows, budget, lambda row: encode(backbone, row, recipe.suffix).num_tokens)
    return found


def scored_rows(data: Path, recipe: Recipe) -> Rows:
    """Dev rows of the recipe's data sets that have a metric; none of them needs a database."""
    return dev_sets((name for name in recipe.sets if dataset(name).metric), data, scratch=data)


class OutcomeFiles:
    """Outcomes in a directory, so that a comparison that was stopped goes on where it was."""

    def __init__(self, directory: Path, made_with: Mapping[str, int]) -> None:
        self._directory = directory
        self._suffix = "".join(f"-{value}-{name}" for name, value in made_with.items())

    def get(self, case: Case, make: Callable[[Case], Outcome]) -> Outcome:
        """What is kept of a case, or what `make` makes of it, kept from now on."""
        path = self._directory / f"{case.name}{self._suffix}.json"
        if path.is_file():
            return Outcome.model_validate_json(path.read_text())
        outcome = make(case)
        self._directory.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(outcome.model_dump_json(indent=1))
        part.replace(path)
        return outcome
