"""`ccoe eval`: score experts beside the general one."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

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
from orchestrator.cli.progress import progress_bars, progress_listener
from orchestrator.errors import SettingsInvalidError
from orchestrator.settings import Settings, read_settings

app = typer.Typer()


@app.command("eval")
def evaluate(
    names: Annotated[list[str] | None, typer.Argument(help="Which experts; all if none is named.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="Score on these rows, JSON Lines of prompt and response, not on the dev sets.")
    ] = None,
    metric: Annotated[MetricName | None, typer.Option(help="How the rows of --file are scored.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many rows of each data set.")] = None,
) -> None:
    """Score experts on their dev sets or on a file, each beside the general expert on the same rows."""
    if (file is None) != (metric is None):
        raise typer.BadParameter("--file and --metric go together")
    settings = read_settings()
    registry = Registry(settings.experts_dir)
    chosen = [registry.get(name) for name in names] if names else registry.list()
    if file and metric:
        rows = _sample(read_rows(file), file.stem, limit)
        sets = [{_own_set(file, metric, entry): rows} for entry in chosen]
    else:
        data = data_directory(settings)
        sets = [_dev_sets(entry, data, limit) for entry in chosen]
    backbone, console = load_backbone(backbone_config(settings)), Console(highlight=False)
    for entry, of in zip(chosen, sets, strict=True):
        if entry.directory is None:
            raise UnknownExpert(entry.card.name, tuple(other.card.name for other in registry.list()))
        expert = load_expert(entry.directory, backbone)
        with progress_bars(console) as bars:
            metrics = score_all(expert, backbone, of, calculate, progress_listener(bars, entry.card.name))
        console.print(metrics_table(entry.card.name, metrics))


def _own_set(file: Path, metric: str, entry: Entry) -> Dataset:
    return Dataset(file.stem, str(file), "unstated", metric, max_answer_tokens=entry.card.max_tokens)


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


def metrics_table(name: str, metrics: Sequence[Metric]) -> Table:
    """A row for each data set."""
    table = Table("data set", "metric", "rows", name, "general", "difference (95 %)", box=None)
    for metric in metrics:
        interval = f"{metric.difference_low:+.3f} to {metric.difference_high:+.3f}"
        figures = (f"{metric.value:.3f}", f"{metric.general:.3f}", interval)
        table.add_row(metric.dataset, metric.metric, str(metric.num_rows), *figures)
    return table
