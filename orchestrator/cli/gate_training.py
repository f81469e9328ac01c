"""`ccoe gate train`."""

import json
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import TaskID

from experts.registry import Registry
from experts.source import load_backbone
from experts.training.gate_fitting import GateFittingConfig
from experts.training.gate_making import GateMaker
from experts.training.mean_activations import MeanStore
from orchestrator.cli.calculation import calculate
from orchestrator.cli.eval import backbone_config, data_directory
from orchestrator.cli.gate import print_card
from orchestrator.cli.progress import progress_bars
from orchestrator.settings import Settings


def train_gate(settings: Settings, target: Path, seed: int, num_rows: int, *, as_json: bool) -> None:
    """Train, store and print. Raises SettingsInvalidError without the data, or an ExpertError."""
    data = data_directory(settings)
    backbone = load_backbone(backbone_config(settings))
    cards = [entry.card for entry in Registry(settings.experts_dir).list()]
    with progress_bars(Console(highlight=False, stderr=as_json)) as bars:
        tasks: dict[str, TaskID] = {}

        def on_texts(purpose: str, done: int, total: int) -> None:
            if purpose not in tasks:
                tasks[purpose] = bars.add_task(f"gate: {purpose}", total=total, unit="texts", loss="")
            bars.update(tasks[purpose], completed=done)

        maker = GateMaker(backbone, data, MeanStore(settings.cache_dir.expanduser() / "gate"), on_texts)
        trained = maker.make(cards, calculate, GateFittingConfig(seed=seed), num_rows)
    card = trained.save(target)
    if as_json:
        return typer.echo(json.dumps({"path": str(target), "card": card.model_dump(mode="json")}, indent=2))
    return print_card(card, target)
