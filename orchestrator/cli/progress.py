"""How far training and scoring are, as bars in the terminal."""

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from experts.training import trainer
from experts.training.making import Listener


def progress_bars(console: Console) -> Progress:
    """A bar for each phase: what is done of it, the loss where there is one, the time that remains."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} {task.fields[unit]}"),
        TextColumn("{task.fields[loss]}"),
        TimeRemainingColumn(),
        console=console,
    )


def progress_listener(bars: Progress, name: str) -> Listener:
    """Shows an expert's training and scoring."""
    tasks: dict[str, TaskID] = {}

    def show(phase: str, done: int, total: int, unit: str, loss: float | None = None) -> None:
        if phase not in tasks:
            tasks[phase] = bars.add_task(f"{name}: {phase}", total=total, unit=unit, loss="")
        bars.update(tasks[phase], completed=done, loss="" if loss is None else f"loss {loss:.3f}")

    def on_training(progress: trainer.Progress) -> None:
        show(progress.phase, progress.done, progress.total, "tokens", progress.loss)

    return Listener(on_training, lambda dataset, done, total: show(f"scoring {dataset}", done, total, "rows"))
