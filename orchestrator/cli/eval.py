"""`ccoe eval`: score experts beside the general one."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Literal

import typer
from rich.console import Console

from experts.card import Metric
from experts.checkpoint import load_expert
from experts.config import BackboneConfig
from experts.errors import DatasetError, UnknownExpert
from experts.registry import Entry, Registry
from experts.source import load_backbone
from experts.training.datasets import SYNTHETIC_NOTES, SYNTHETIC_SQL, Dataset, dataset, is_builtin
from experts.training.dev_sets import dev_sets
from experts.training.encoding import Rows
from experts.training.making import score_all
from experts.training.metrics import MetricName
from experts.training.rows import TrainingRow, read_rows
from orchestrator.cli.comparison import compare_experts, named_experts, scoring_tools
from orchestrator.cli.progress import progress_bars, progress_listener
from orchestrator.cli.sheet import Sheet
from orchestrator.errors import SettingsInvalidError
from orchestrator.settings import Settings, read_settings

app = typer.Typer(add_completion=False)
Format = Literal["table", "json", "markdown"]


@app.command("eval")
def evaluate(
    names: Annotated[list[str] | None, typer.Argument(help="Which experts; all if none is named.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="Score on these rows, JSON Lines of prompt and response, not on the dev sets.")
    ] = None,
    metric: Annotated[MetricName | None, typer.Option(help="How the rows of --file are scored.")] = None,
    database: Annotated[Path | None, typer.Option(help="SQLite file for --metric execution.")] = None,
    dataset_name: Annotated[
        list[str] | None, typer.Option("--dataset", help="With --compare: a built-in set's dev rows; may be repeated.")
    ] = None,
    compare: Annotated[
        str | None, typer.Option(help="Experts side by side, e.g. general,sql,trained/mine: names or directories.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many rows of each data set.")] = None,
    output_format: Annotated[Format, typer.Option("--format", help="How the figures are printed.")] = "table",
) -> None:
    """Score experts on their dev sets or on a file, each beside the general expert on the same rows."""
    if (file is None) != (metric is None):
        raise typer.BadParameter("--file and --metric go together")
    if (metric == "execution") != (database is not None):
        raise typer.BadParameter("--metric execution and --database go together")
    settings = read_settings()
    own = None if file is None or metric is None else _OwnRows(file, metric, database)
    if compare is not None and names:
        raise typer.BadParameter(f"--compare names all experts; what is {' '.join(names)!r} for?")
    if compare is None and dataset_name:
        raise typer.BadParameter("--dataset is for --compare; an expert's own dev sets are in its card")
    if compare is None and database:
        raise typer.BadParameter("--metric execution is for --compare, e.g. --compare general,sql")
    with TemporaryDirectory() as directory:
        chosen = _Chosen(settings, own, Path(directory), limit)
        if compare is not None:
            _compare(settings, compare.split(","), chosen.named(dataset_name or []), output_format)
        else:
            _score(settings, names or [], chosen, output_format)


@dataclass(frozen=True, slots=True)
class _OwnRows:
    """Rows of the user's own, and how they are scored."""

    file: Path
    metric: MetricName
    database: Path | None

    def of(self, max_answer_tokens: int | None, limit: int | None) -> Rows:
        """As a data set. Raises DatasetError."""
        database = None if self.database is None else str(self.database.resolve())
        of = Dataset(self.file.stem, str(self.file), "unstated", self.metric, "", max_answer_tokens, database=database)
        return {of: _sample(read_rows(self.file), self.file.stem, limit)}


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The rows that are scored; databases made for them are written to `scratch`."""

    settings: Settings
    own: _OwnRows | None
    scratch: Path
    limit: int | None

    def of(self, entry: Entry) -> Rows:
        """The user's own rows, or the sets that the expert's card names. Raises DatasetError."""
        if self.own:
            return self.own.of(entry.card.max_tokens, self.limit)
        data = data_directory(self.settings)
        names = [metric.dataset for metric in entry.card.metrics if is_builtin(metric.dataset)]
        if not names:
            name = entry.card.name
            raise DatasetError(data, None, f"nothing in it is for {name!r}; score it with --file and --metric")
        return dev_sets(names, data, self.scratch, self.limit)

    def named(self, names: list[str]) -> Rows:
        """The user's own rows, or the built-in sets of these names. Raises DatasetError."""
        if (self.own is None) == (not names):
            raise typer.BadParameter("--compare needs rows: --dataset NAME, or --file with --metric")
        if self.own:
            return self.own.of(None, self.limit)
        if unknown := [name for name in names if not (is_builtin(name) and dataset(name).metric)]:
            raise typer.BadParameter(f"no scored data set {unknown[0]!r}; score your own rows by --file and --metric")
        is_made = set(names) <= {SYNTHETIC_SQL.name, SYNTHETIC_NOTES.name}
        data = Path() if is_made else data_directory(self.settings)
        return dev_sets(names, data, self.scratch, self.limit)


def _score(settings: Settings, names: list[str], rows: _Chosen, output_format: Format) -> None:
    registry = Registry(settings.experts_dir)
    chosen = [registry.get(name) for name in names] if names else registry.list()
    sets = [rows.of(entry) for entry in chosen]
    backbone = load_backbone(backbone_config(settings))
    scored: dict[str, tuple[Metric, ...]] = {}
    for entry, of in zip(chosen, sets, strict=True):
        if entry.directory is None:
            raise UnknownExpert(entry.card.name, tuple(other.card.name for other in registry.list()))
        expert = load_expert(entry.directory, backbone)
        with progress_bars(_bars(output_format)) as bars:
            listener = progress_listener(bars, entry.card.name)
            metrics = score_all(expert, backbone, of, scoring_tools(settings.data), listener)
        scored[entry.card.name] = metrics
        if output_format != "json":
            _print(metrics_sheet(entry.card.name, metrics), output_format)
    if output_format == "json":
        document = {name: [metric.model_dump() for metric in metrics] for name, metrics in scored.items()}
        typer.echo(json.dumps(document, indent=2))


def _compare(settings: Settings, names: list[str], sets: Rows, output_format: Format) -> None:
    backbone = load_backbone(backbone_config(settings))
    experts = named_experts(names, Registry(settings.experts_dir), backbone)
    with progress_bars(_bars(output_format)) as bars:
        listeners = {name: progress_listener(bars, name) for name in experts}
        comparison = compare_experts(experts, backbone, sets, settings.data, listeners)
    if output_format == "json":
        typer.echo(json.dumps(comparison.document(), indent=2))
    else:
        _print(comparison.sheet(), output_format)


def _bars(output_format: Format) -> Console:
    """Progress must not stand in what a program reads."""
    return Console(highlight=False, stderr=output_format != "table")


def _print(sheet: Sheet, output_format: Format) -> None:
    if output_format == "markdown":
        typer.echo(sheet.markdown())
    else:
        Console(highlight=False).print(sheet.table())


def _sample(rows: list[TrainingRow], seed: str, limit: int | None) -> list[TrainingRow]:
    return rows if limit is None else random.Random(seed).sample(rows, min(limit, len(rows)))


def data_directory(settings: Settings) -> Path:
    """The training data. Raises SettingsInvalidError if it is not set or not there."""
    if settings.data is None or not settings.data.is_dir():
        raise SettingsInvalidError("CCOE_DATA", "it must name the directory of the training data")
    return settings.data


def backbone_config(settings: Settings) -> BackboneConfig:
    """The backbone of the settings."""
    return BackboneConfig(source=settings.backbone, cache_dir=settings.cache_dir)


def metrics_sheet(name: str, metrics: Sequence[Metric]) -> Sheet:
    """A row for each data set, for classification with the rate of the most frequent label."""
    is_classified = any(metric.majority is not None for metric in metrics)
    rows = [
        [
            *(metric.dataset, metric.metric, str(metric.num_rows), f"{metric.value:.3f}", f"{metric.general:.3f}"),
            f"{metric.difference_low:+.3f} to {metric.difference_high:+.3f}",
            *(_beside_majority(metric) if is_classified else ()),
        ]
        for metric in metrics
    ]
    names = ("data set", "metric", "rows", name, "general", "difference (95 %)")
    return Sheet((*names, *(("majority", "above it (95 %)") if is_classified else ())), rows)


def _beside_majority(metric: Metric) -> tuple[str, str]:
    if metric.majority is None or metric.majority_low is None or metric.majority_high is None:
        return "", ""
    return f"{metric.majority:.3f}", f"{metric.majority_low:+.3f} to {metric.majority_high:+.3f}"
