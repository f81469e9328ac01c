"""How the loss fell: a table of the epochs, and a picture or a line of it."""

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

from rich.table import Table

from experts.training.trainer import Trained

PICTURE = "loss.png"
_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 60


def loss_table(trained: Trained) -> Table:
    """A row for each epoch; with dev rows their loss too, and which epoch's weights are kept."""
    table = Table("epoch", "loss", box=None)
    if not trained.dev_losses:
        for number, loss in enumerate(trained.epoch_losses, 1):
            table.add_row(str(number), f"{loss:.4f}")
        return table
    table.add_column("dev loss")
    table.add_column()
    best = min(range(len(trained.dev_losses)), key=trained.dev_losses.__getitem__)
    for number, (loss, dev) in enumerate(zip(trained.epoch_losses, trained.dev_losses, strict=True), 1):
        table.add_row(str(number), f"{loss:.4f}", f"{dev:.4f}", "kept" if number == best + 1 else "")
    return table


def show_losses(trained: Trained, directory: Path) -> str:
    """Draw `loss.png` in the directory and name it; without matplotlib, the loss of the steps as a line of bars."""
    if find_spec("matplotlib") is None:
        return f"loss {sparkline(trained.step_losses)} (a picture needs matplotlib: pip install 'ccoe[bench]')"
    import_module("orchestrator.cli.loss_picture").draw(trained, directory / PICTURE)
    return f"loss drawn in {directory / PICTURE}"


def sparkline(values: Sequence[float]) -> str:
    """The values from left to right as bars between their lowest and their highest; many are averaged."""
    width = min(_WIDTH, len(values))
    cuts = [len(values) * i // width for i in range(width + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in pairwise(cuts)]
    low, high = min(means), max(means)
    scale = (len(_BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BARS[round((mean - low) * scale)] for mean in means)
