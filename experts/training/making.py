"""From rows to a finished expert: encoded, trained, scored beside `general`, saved with its card."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from experts.backbone import Backbone
from experts.card import ExpertCard, GateRules, Metric, TrainingData
from experts.checkpoint import save_expert
from experts.errors import DatasetError
from experts.expert import Expert
from experts.prompt import PromptRenderer
from experts.training.activations import EncodedRow
from experts.training.datasets import SYNTHETIC, Dataset, dataset
from experts.training.evaluation import Evaluator, compare
from experts.training.metrics import Calculate
from experts.training.ngrams import ngram_hashes, save_ngrams
from experts.training.recipes import Recipe
from experts.training.row_maker import RowMaker
from experts.training.rows import TrainingRow, read_rows
from experts.training.trainer import Progress, Trained, TrainerConfig, train

MAX_ROW_TOKENS = 1024
Rows = Mapping[str, Sequence[TrainingRow]]
"""Rows by data set."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the new expert is."""

    name: str
    domain: str
    description: str
    suffix: str = ""
    tool: str | None = None
    max_tokens: int = 96
    gate: GateRules = GateRules()


@dataclass(frozen=True, slots=True)
class Listener:
    """Who is told how far the work is."""

    on_training: Callable[[Progress], None]
    on_rows_scored: Callable[[str, int, int], None]
    """Data set, rows done, rows in all (the expert's and the general expert's)."""


def encode(backbone: Backbone, row: TrainingRow, suffix: str) -> EncodedRow:
    """A row as the service would ask it, its answer with the end-of-answer token behind."""
    prompt = PromptRenderer(backbone.tokenizer).render(row.parts, suffix)
    segments = (backbone.tokenizer.encode(segment, add_special_tokens=False) for segment in row.segments)
    return EncodedRow((*prompt, *(i for ids in segments for i in ids), min(backbone.eos_token_ids)), len(prompt))


def make_builtin(
    recipe: Recipe, backbone: Backbone, data: Path, config: TrainerConfig, calculate: Calculate, listener: Listener
) -> tuple[Expert, Rows, Trained]:
    """Train and score one built-in expert. Raises DatasetError."""

    def count(row: TrainingRow) -> int:
        return encode(backbone, row, recipe.suffix).num_tokens

    rows = RowMaker.load(data, count, calculate, f"{recipe.name}-{config.seed}").rows(recipe)
    identity = Identity(
        recipe.name, recipe.name, recipe.description, recipe.suffix, recipe.tool, recipe.max_tokens, recipe.gate
    )
    expert, trained = make_expert(identity, backbone, rows, config, listener)
    metrics = [
        score(expert, backbone, dataset(name), dev_rows(data, name), calculate, listener)
        for name in recipe.sets
        if dataset(name).metric
    ]
    return Expert(expert.card.model_copy(update={"metrics": tuple(metrics)}), expert.tensors), rows, trained


def make_expert(
    identity: Identity, backbone: Backbone, rows: Rows, config: TrainerConfig, listener: Listener
) -> tuple[Expert, Trained]:
    """Train one expert on rows. Raises DatasetError if a row is longer than what is trained on."""
    encoded = [encode(backbone, row, identity.suffix) for part in rows.values() for row in part]
    longest = max(row.num_tokens for row in encoded)
    if longest > MAX_ROW_TOKENS:
        raise DatasetError(
            Path(identity.name), None, f"a row has {longest} tokens, more than {MAX_ROW_TOKENS}; shorten it"
        )
    trained = train(backbone, encoded, config, listener.on_training)
    card = ExpertCard(
        **{field: getattr(identity, field) for field in Identity.__dataclass_fields__},
        version="unsaved",
        backbone_hash=backbone.hash,
        num_shared_layers=backbone.num_shared_layers,
        num_layers=backbone.num_layers,
        form=config.form,
        low_rank=trained.low_rank,
        training_data=tuple(_training_data(name, part) for name, part in rows.items()),
        training=_training_summary(config, encoded, trained),
    )
    return Expert(card, trained.tensors), trained


def save(expert: Expert, rows: Rows, directory: Path) -> ExpertCard:
    """Write an expert and the hashes of what it was trained on."""
    card = save_expert(expert, directory)
    save_ngrams(ngram_hashes(row.text for part in rows.values() for row in part), directory)
    return card


def dev_rows(data: Path, name: str, limit: int = 120) -> list[TrainingRow]:
    """A seeded sample of a set's dev rows, without those whose prompt stands in its train. Raises DatasetError."""
    seen = {row.parts.task for row in read_rows(data / name / "train.jsonl")}
    rows = [row for row in read_rows(data / name / "dev.jsonl") if row.parts.task not in seen]
    return random.Random(name).sample(rows, min(limit, len(rows)))


def score(
    expert: Expert,
    backbone: Backbone,
    of: Dataset,
    rows: Sequence[TrainingRow],
    calculate: Calculate,
    listener: Listener,
) -> Metric:
    """The expert's figure on rows beside the general expert's."""
    max_tokens = 160 if of.metric == "step_f1" else 64
    evaluator = Evaluator(backbone, expert.card.suffix, calculate, max_tokens)
    done = 0

    def on_done(count: int) -> None:
        nonlocal done
        done += count
        listener.on_rows_scored(of.name, done, 2 * len(rows))

    own_model = backbone.assemble(expert.upper_layers(backbone))
    own = evaluator.scores(own_model, rows, of.metric, on_done)
    general = evaluator.scores(backbone.model, rows, of.metric, on_done)
    return compare(of.name, of.metric, rows, own, general)


def _training_data(name: str, rows: Sequence[TrainingRow]) -> TrainingData:
    of = SYNTHETIC if name == "synthetic" else dataset(name)
    ids = () if name == "synthetic" else tuple(row.id for row in rows)
    return TrainingData(name=name, source=of.source, licence=of.licence, attribution=of.attribution, row_ids=ids)


def _training_summary(
    config: TrainerConfig, rows: Sequence[EncodedRow], trained: Trained
) -> dict[str, str | int | float]:
    return {
        "num_rows": len(rows),
        "num_tokens": sum(row.num_tokens for row in rows),
        "epochs": config.epochs,
        "learning_rate": config.learning_rate,
        "seed": config.seed,
        "first_epoch_loss": round(trained.epoch_losses[0], 4),
        "last_epoch_loss": round(trained.epoch_losses[-1], 4),
        "seconds": round(trained.caching_seconds + trained.training_seconds, 1),
    }
