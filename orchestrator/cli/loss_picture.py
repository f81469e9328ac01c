"""The picture of a training's loss. Imported only where matplotlib is installed."""

from itertools import pairwise
from pathlib import Path

from matplotlib.figure import Figure

from experts.training.trainer import Trained


def draw(trained: Trained, path: Path) -> None:
    """A PNG: the loss of every step, its mean over each epoch, and the dev loss at each epoch's end."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    steps = range(1, len(trained.step_losses) + 1)
    axes.plot(steps, trained.step_losses, color="0.75", linewidth=0.8, label="loss of a step")
    num_epochs = len(trained.epoch_losses)
    ends = [len(steps) * epoch / num_epochs for epoch in range(1, num_epochs + 1)]
    middles = [(a + b) / 2 for a, b in pairwise([0.0, *ends])]
    axes.plot(middles, trained.epoch_losses, marker="o", label="mean of an epoch")
    if trained.dev_losses:
        axes.plot(ends, trained.dev_losses, marker="s", label="dev loss")
    axes.set_xlabel("step")
    axes.set_ylabel("loss at the answer's tokens")
    axes.set_ylim(bottom=0)
    axes.legend()
    figure.savefig(path, dpi=120)
