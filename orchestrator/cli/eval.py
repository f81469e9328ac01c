"""`ccoe eval`: score experts beside the general one."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from experts.card import Metric
from experts.checkpoint import load_expert
from experts.config import BackboneConfig
from experts.errors import DatasetError, UnknownExpert
from experts.registry import Entry, Registry
from experts.source import load_backbone
from experts.training.datasets import Dataset, dataset, is_builtin
from experts.training.encoding import Rows
from experts.training.making import dev_rows, score_all
from experts.training.metrics import MetricName
from experts.training.rows import TrainingRow, read_rows
from orchestrator.cli.calculation import calculate
from orchestrator.cli.comparison import compare_experts, named_experts
from orchestrator.cli.progress import progress_bars, progress_listener
from orchestrator.cli.sheet import Sheet
from orchestrator.errors import SettingsInvalidError
from orchestrator.settings import Settings, read_settings

app = typer.Typer()
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
    if compare is not None:
        if names:
            raise typer.BadParameter(f"--compare names all experts; what is {' '.join(names)!r} for?")
        _compare(settings, compare.split(","), _compared_sets(settings, own, dataset_name or [], limit), output_format)
    else:
        if dataset_name:
            raise typer.BadParameter("--dataset is for --compare; an expert's own dev sets are in its card")
        if database:
            raise typer.BadParameter("--metric execution is for --compare, e.g. --compare general,sql")
        _score(settings, names or [], own, limit, output_format)


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


def _score(
    settings: Settings, names: list[str], own: _OwnRows | None, limit: int | None, output_format: Format
) -> None:
    registry = Registry(settings.experts_dir)
    chosen = [registry.get(name) for name in names] if names else registry.list()
    if own:
        sets = [own.of(entry.card.max_tokens, limit) for entry in chosen]
    else:
        data = data_directory(settings)
        sets = [_dev_sets(entry, data, limit) for entry in chosen]
    backbone = load_backbone(backbone_config(settings))
    scored: dict[str, tuple[Metric, ...]] = {}
    for entry, of in zip(chosen, sets, strict=True):
        if entry.directory is None:
            raise UnknownExpert(entry.card.name, tuple(other.card.name for other in registry.list()))
        expert = load_expert(entry.directory, backbone)
        with progress_bars(_bars(output_format)) as bars:
            metrics = score_all(expert, backbone, of, calculate, progress_listener(bars, entry.card.name))
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


def _compared_sets(settings: Settings, own: _OwnRows | None, names: list[str], limit: int | None) -> Rows:
    if (own is None) == (not names):
        raise typer.BadParameter("--compare needs rows: --dataset NAME, or --file with --metric")
    if own:
        return own.of(None, limit)
    scored = [name for name in names if is_builtin(name) and dataset(name).metric]
    if unknown := [name for name in names if name not in scored]:
        raise typer.BadParameter(f"no scored data set {unknown[0]!r}; score your own rows by --file and --metric")
    data = data_directory(settings)
    return {dataset(name): dev_rows(data, name, limit) for name in scored}


def _bars(output_format: Format) -> Console:
    """Progress must not stand in what a program reads."""
    return Console(highlight=False, stderr=output_format != "table")


def _print(sheet: Sheet, output_format: Format) -> None:
    if output_format == "markdown":
        typer.echo(sheet.markdown())
    else:
        Console(highlight=False).print(sheet.table())


def _dev_sets(entry: Entry, data: Path, limit: int | None) -> Rows:
    names = [metric.dataset for metric in entry.card.metrics if is_builtin(metric.dataset)]
    if not names:
        raise DatasetError(data, None, f"nothing in it is for {entry.card.name!r}; score it with --file and --metric")
    return {dataset(name): dev_rows(data, name, limit) for name in names}


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
    """A row for each data set."""
    rows = [
        [
            *(metric.dataset, metric.metric, str(metric.num_rows), f"{metric.value:.3f}", f"{metric.general:.3f}"),
            f"{metric.difference_low:+.3f} to {metric.difference_high:+.3f}",
        ]
        for metric in metrics
    ]
    return Sheet(("data set", "metric", "rows", name, "general", "difference (95 %)"), rows)
