"""`ccoe gate train`."""

import json
from dataclasses import asdict
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import TaskID

from experts.registry import Registry
from experts.source import load_backbone
from experts.training.gate_fitting import GateFittingConfig
from experts.training.gate_making import GateMaker, MadeGate
from experts.training.mean_activations import MeanStore
from orchestrator.cli.calculation import calculate
from orchestrator.cli.eval import backbone_config, data_directory
from orchestrator.cli.gate import figures_sheet, summary
from orchestrator.cli.progress import progress_bars
from orchestrator.cli.sheet import Sheet
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
        made = maker.make(cards, calculate, GateFittingConfig(seed=seed), num_rows)
    card = made.classifier.save(target)
    if as_json:
        held_out = [asdict(one) for one in made.combinations]
        document = {"path": str(target), "card": card.model_dump(mode="json"), "held_out": held_out}
        return typer.echo(json.dumps(document, indent=2))
    console = Console(highlight=False, soft_wrap=True)
    console.print(_combinations_sheet(made).table())
    console.print(figures_sheet(card.figures).table())
    return console.print(summary(card, target))


def _combinations_sheet(made: MadeGate) -> Sheet:
    rows = [
        [one.name, f"{one.num_right} of {one.num_domain}", f"{one.num_taken} of {one.num_general}"]
        for one in made.combinations
    ]
    return Sheet(("held-out texts", "right of the domains'", "taken of general's"), rows)
