"""How far training and scoring are, as bars in the terminal."""

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from experts.training import trainer
from experts.training.making import Listener


class _SpeedColumn(ProgressColumn):
    """Tokens or rows a second, once there are two reports to tell it from."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "", no_wrap=True)


def progress_bars(console: Console) -> Progress:
    """A bar for each phase: what is done of it, the loss where there is one, the speed, the time that remains."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} {task.fields[unit]}"),
        TextColumn("{task.fields[loss]}"),
        _SpeedColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def progress_listener(bars: Progress, name: str) -> Listener:
    """Shows an expert's training and scoring, and tells above the bars which rows are left out."""
    tasks: dict[str, TaskID] = {}

    def show(phase: str, done: int, total: int, unit: str, loss: float | None = None) -> None:
        if phase not in tasks:
            tasks[phase] = bars.add_task(f"{name}: {phase}", total=total, unit=unit, loss="")
        bars.update(tasks[phase], completed=done, loss="" if loss is None else f"loss {loss:.3f}")

    def on_training(progress: trainer.Progress) -> None:
        show(progress.phase, progress.done, progress.total, "tokens", progress.loss)

    def on_rows_scored(dataset: str, done: int, total: int) -> None:
        show(f"scoring {dataset}", done, total, "rows")

    def on_rows_skipped(datasets: str, count: int, max_tokens: int) -> None:
        bars.console.print(f"{name}: {count:,} rows of {datasets} have more than {max_tokens:,} tokens; left out")

    return Listener(on_training, on_rows_scored, on_rows_skipped)
