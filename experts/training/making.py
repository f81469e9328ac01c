"""From rows to a finished expert: encoded, trained, scored beside `general`, saved with its card."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from experts.backbone import Backbone
from experts.card import CARD_FILE, ExpertCard, GateRules, Metric, TrainingData
from experts.checkpoint import save_expert
from experts.errors import AlreadyMade
from experts.expert import Expert
from experts.training.activations import EncodedRow
from experts.training.datasets import SYNTHETIC, Dataset, dataset
from experts.training.dev_sets import dev_sets
from experts.training.encoding import EncodedRows, RowLimits, Rows, encode, encode_rows
from experts.training.evaluation import Evaluator, Tools, compare
from experts.training.ngrams import ngram_hashes, save_ngrams
from experts.training.recipes import Recipe
from experts.training.row_maker import RowMaker
from experts.training.rows import TrainingRow
from experts.training.trainer import Progress, Trained, TrainerConfig, TrainingFiles, made_with, train

_MAX_ANSWER_TOKENS = {"step_f1": 128}
_MIN_EXPERT_TOKENS = 96
_SPARE_TOKENS = 16


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the new expert is."""

    name: str
    domain: str
    description: str
    suffix: str = ""
    tool: str | None = None
    max_tokens: int | None = None
    """Of an answer; None: a little more than the longest of its rows."""
    gate: GateRules = GateRules()


@dataclass(frozen=True, slots=True)
class Listener:
    """Who is told how far the work is."""

    on_training: Callable[[Progress], None]
    on_rows_scored: Callable[[str, int, int], None]
    """Data set, rows done, rows in all (the expert's and the general expert's)."""
    on_rows_skipped: Callable[[str, int, int], None] = lambda name, count, max_tokens: None
    """Data sets, how many of their rows are left out, the tokens that a row may have."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a training has beside its rows and its configuration."""

    dev: Rows = field(default_factory=dict[Dataset, Sequence[TrainingRow]])
    """Their loss decides when training ends; none: it lasts all epochs."""
    limits: RowLimits = field(default_factory=RowLimits)
    files: TrainingFiles = field(default_factory=TrainingFiles)


@dataclass(frozen=True, slots=True)
class Made:
    """An expert that is trained but not saved, the rows that it was trained on, and how that went."""

    expert: Expert
    rows: Rows
    trained: Trained


def make_builtin(
    recipe: Recipe,
    backbone: Backbone,
    data: Path,
    config: TrainerConfig,
    tools: Tools,
    listener: Listener,
    files: TrainingFiles | None = None,
) -> Made:
    """Train and score one built-in expert. Raises DatasetError, AlreadyMade, ResumeRefused and TrainingFileError."""

    def count(row: TrainingRow) -> int:
        return encode(backbone, row, recipe.suffix).num_tokens

    chosen = RowMaker.load(data, count, tools.calculate, f"{recipe.name}-{config.seed}").rows(recipe)
    rows = {dataset(name): part for name, part in chosen.items()}
    identity = Identity(
        recipe.name, recipe.name, recipe.description, recipe.suffix, recipe.tool, recipe.max_tokens, recipe.gate
    )
    made = make_expert(identity, backbone, rows, config, listener, Surroundings(files=files or TrainingFiles()))
    scored = [name for name in (*recipe.sets, *recipe.scored_sets) if dataset(name).metric]
    with TemporaryDirectory() as scratch:
        sets = dev_sets(scored, data, Path(scratch))
        metrics = score_all(made.expert, backbone, sets, tools, listener)
    return replace(made, expert=Expert(made.expert.card.model_copy(update={"metrics": metrics}), made.expert.tensors))


def make_expert(
    identity: Identity,
    backbone: Backbone,
    rows: Rows,
    config: TrainerConfig,
    listener: Listener,
    around: Surroundings | None = None,
) -> Made:
    """Train one expert on rows.

    Raises DatasetError naming the row that is longer than what is trained on, AlreadyMade, ResumeRefused and
    TrainingFileError.
    """
    around = around or Surroundings()
    own, dev = (encode_rows(backbone, part, identity.suffix, around.limits) for part in (rows, around.dev))
    for each in (each for each in (own, dev) if each.num_skipped):
        listener.on_rows_skipped(", ".join(of.name for of in each.rows), each.num_skipped, each.max_tokens)
    files, on_training = around.files, listener.on_training
    depends_on = made_with(backbone, own.encoded, dev.encoded, config)
    digest = _digest(identity, own.rows, depends_on)
    _check_not_made(files, digest)
    trained = train(backbone, own.encoded, config, on_training, dev_rows=dev.encoded, files=files)
    card = _card(identity, backbone, own, config, trained)
    card = card.model_copy(update={"training": {**card.training, "made_with": digest}})
    return Made(Expert(card, trained.tensors), own.rows, trained)


def _digest(identity: Identity, rows: Rows, depends_on: Mapping[str, str]) -> str:
    """Of all that an expert's card and weights depend on, but for its figures."""
    parts = [repr(identity), *(repr(of) for of in rows), *(f"{name}={depends_on[name]}" for name in sorted(depends_on))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _check_not_made(files: TrainingFiles, digest: str) -> None:
    if files.resume and files.expert is not None and (files.expert / CARD_FILE).is_file():
        card = ExpertCard.load(files.expert)
        if card.training.get("made_with") == digest:
            raise AlreadyMade(files.expert, card.version)


def _card(
    identity: Identity, backbone: Backbone, own: EncodedRows, config: TrainerConfig, trained: Trained
) -> ExpertCard:
    longest = max(row.num_answer_tokens for row in own.encoded)
    return ExpertCard(
        name=identity.name,
        domain=identity.domain,
        description=identity.description,
        suffix=identity.suffix,
        tool=identity.tool,
        max_tokens=identity.max_tokens or max(_MIN_EXPERT_TOKENS, longest + _SPARE_TOKENS),
        gate=identity.gate,
        version="unsaved",
        backbone_hash=backbone.hash,
        num_shared_layers=backbone.num_shared_layers,
        num_layers=backbone.num_layers,
        form=config.form,
        low_rank=trained.low_rank,
        training_data=tuple(_training_data(own.rows)),
        training=_training_summary(config, own.encoded, trained),
    )


def save(expert: Expert, rows: Rows, directory: Path) -> ExpertCard:
    """Write an expert and the hashes of what it was trained on."""
    card = save_expert(expert, directory)
    save_ngrams(ngram_hashes(row.text for part in rows.values() for row in part), directory)
    return card


def max_answer_tokens(of: Dataset) -> int:
    """Of an answer to a row of this set when it is scored."""
    return of.max_answer_tokens or _MAX_ANSWER_TOKENS.get(of.metric, 56)


def score_all(expert: Expert, backbone: Backbone, sets: Rows, tools: Tools, listener: Listener) -> tuple[Metric, ...]:
    """The expert's figure on each set beside the general expert's, then on all rows of several sets together."""
    model = backbone.assemble(expert.upper_layers(backbone))
    metrics: list[Metric] = []
    own_scores: list[float] = []
    general_scores: list[float] = []
    for of, rows in sets.items():
        max_tokens = max_answer_tokens(of)
        evaluator = Evaluator(backbone, expert.card.suffix, tools.calculate, max_tokens, querying=tools.querying(of))
        total = 2 * len(rows)
        own = evaluator.scores(model, rows, of.metric, counting(listener, of.name, total))
        general = evaluator.scores(backbone.model, rows, of.metric, counting(listener, of.name, total, len(rows)))
        metrics.append(compare(of.name, of.metric, rows, own, general))
        own_scores += own
        general_scores += general
    if len(sets) == 1:
        return tuple(metrics)
    every = [row for rows in sets.values() for row in rows]
    return (*metrics, compare("all", "mean", every, own_scores, general_scores))


def counting(listener: Listener, name: str, total: int, done: int = 0) -> Callable[[int], None]:
    """Tells a listener how many rows of a set are scored, from the numbers just scored."""

    def on_done(count: int) -> None:
        nonlocal done
        done += count
        listener.on_rows_scored(name, done, total)

    return on_done


def _training_data(rows: Rows) -> Iterator[TrainingData]:
    """An entry for each data set, then one for each set that composed rows quote, with the ids of the rows."""
    quoted: dict[str, set[str]] = {}
    for of, part in rows.items():
        yield _entry(of, of.name, () if of == SYNTHETIC else tuple(row.id for row in part))
        for quote in (quote for row in part for quote in row.quotes):
            quoted.setdefault(quote.dataset, set()).add(quote.row_id)
    for name, ids in sorted(quoted.items()):
        yield _entry(dataset(name), f"{name}, quoted in synthetic", tuple(sorted(ids)))


def _entry(of: Dataset, name: str, row_ids: tuple[str, ...]) -> TrainingData:
    return TrainingData(name=name, source=of.source, licence=of.licence, attribution=of.attribution, row_ids=row_ids)


def _training_summary(
    config: TrainerConfig, rows: Sequence[EncodedRow], trained: Trained
) -> dict[str, str | int | float]:
    summary: dict[str, str | int | float] = {
        "num_rows": len(rows),
        "num_tokens": sum(row.num_tokens for row in rows),
        "epochs": config.epochs,
        "learning_rate": config.learning_rate,
        "seed": config.seed,
        "first_epoch_loss": round(trained.epoch_losses[0], 4),
        "last_epoch_loss": round(trained.epoch_losses[-1], 4),
        "seconds": round(trained.caching_seconds + trained.training_seconds, 1),
    }
    if config.accumulate > 1:
        summary["accumulate"] = config.accumulate
    if trained.dev_losses:
        best = min(range(len(trained.dev_losses)), key=trained.dev_losses.__getitem__)
        summary |= {"best_epoch": best + 1, "dev_losses": " ".join(f"{loss:.4f}" for loss in trained.dev_losses)}
    return summary
