"""Experts beside ways of tuning that change every layer: the same rows, the same dev rows, one table."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from transformers import PreTrainedModel

from experts.backbone import Backbone
from experts.benchmark.tuning.case import Case, Outcome, OutcomeFiles, cases, recipe_of, scored_rows, training_rows
from experts.benchmark.tuning.method import EXPERTS, LEARNING_RATES, tune
from experts.config import BackboneConfig
from experts.source import load_backbone
from experts.training.comparison import Figure, Measure, compared, mean
from experts.training.encoding import encode
from experts.training.evaluation import Evaluator
from experts.training.making import max_answer_tokens
from experts.training.metrics import Calculate
from experts.training.recipes import Recipe
from experts.training.trainer import TrainerConfig

Report = Callable[[str, int, int], None]
"""Is told the case, and how much of how much is done."""


@dataclass(frozen=True, slots=True)
class TuningComparison:
    """What every case is made with."""

    backbone: BackboneConfig
    data: Path
    calculate: Calculate
    num_tokens: int = 40_000
    """Of one epoch."""
    epochs: int = 2
    seed: int = 0

    def take(self, domains: Sequence[str], files: OutcomeFiles, report: Report) -> dict[Case, Outcome]:
        """Every case of the domains. Raises DatasetError and BackboneError."""
        return {case: files.get(case, lambda case: self._make(case, report)) for case in cases(domains)}

    def _make(self, case: Case, report: Report) -> Outcome:
        recipe, split = recipe_of(case.domain), case.num_shared_layers or self.backbone.num_shared_layers
        backbone = load_backbone(replace(self.backbone, num_shared_layers=split))
        if case.method == "general":
            scores = self._scores(case, backbone, backbone.model, recipe, report)
            return Outcome(scores=scores)
        rows = training_rows(backbone, self.data, recipe, self.num_tokens, self.seed)
        encoded = [encode(backbone, row, recipe.suffix) for part in rows.values() for row in part]
        rate = LEARNING_RATES[case.method]
        form = "full" if case.method == "full" else "low_rank"
        config = TrainerConfig(form, epochs=self.epochs, learning_rate=rate, seed=self.seed)
        tuned = tune(case.method, backbone, encoded, config, lambda done, total: report(case.name, done, total))
        return Outcome(
            num_shared_layers=backbone.num_shared_layers if case.method in EXPERTS else 0,
            num_rows=len(encoded),
            num_tokens=sum(row.num_tokens for row in encoded),
            num_parameters=tuned.num_parameters,
            learning_rate=rate,
            epoch_losses=tuple(tuned.epoch_losses),
            epoch_seconds=tuple(tuned.epoch_seconds),
            scores=self._scores(case, backbone, tuned.model, recipe, report),
        )

    def _scores(
        self, case: Case, backbone: Backbone, model: PreTrainedModel, recipe: Recipe, report: Report
    ) -> dict[str, tuple[float, ...]]:
        sets = scored_rows(self.data, recipe)
        total, done = sum(map(len, sets.values())), 0

        def on_done(count: int) -> None:
            nonlocal done
            done += count
            report(f"{case.name}, scoring", done, total)

        found: dict[str, tuple[float, ...]] = {}
        for of, rows in sets.items():
            evaluator = Evaluator(backbone, recipe.suffix, self.calculate, max_answer_tokens(of))
            found[of.name] = tuple(evaluator.scores(model, rows, of.metric, on_done))
        return found


@dataclass(frozen=True, slots=True)
class Line:
    """A case in the table: the mean over its rows, what it gains, and how much of full fine-tuning's gain that is."""

    case: Case
    outcome: Outcome
    score: Figure
    """Its difference is from `general`; that line has none."""
    part_of_gain: Figure | None
    """None where full fine-tuning was not tried, or its own gain is not significant."""


def lines(outcomes: Mapping[Case, Outcome]) -> Iterator[Line]:
    """In the order of the cases, with bootstrap intervals over paired rows."""
    for case, outcome in outcomes.items():
        general = outcomes[Case(case.domain, "general")].all_scores
        if case.method == "general":
            yield Line(case, outcome, compared([_measure(general)])[0], None)
            continue
        score = compared([_measure(general), _measure(outcome.all_scores)])[1]
        whole = outcomes.get(Case(case.domain, "all_weights"))
        yield Line(
            case, outcome, score, None if whole is None else _part(general, outcome.all_scores, whole.all_scores)
        )


def _measure(scores: Sequence[float]) -> Measure:
    return Measure("score", scores, mean)


def _part(general: Sequence[float], own: Sequence[float], whole: Sequence[float]) -> Figure | None:
    difference = compared([_measure(general), _measure(whole)])[1].difference
    if difference is None or difference[1] <= 0:
        return None
    gains = [(a - base, b - base) for base, a, b in zip(general, own, whole, strict=True)]
    return compared([Measure("part of gain", gains, _ratio)])[0]


def _ratio(gains: Sequence[tuple[float, float]]) -> float:
    own, whole = (sum(column) for column in zip(*gains, strict=True))
    return own / whole if whole else math.inf
