"""The bars, and what is told above them."""

import io

from rich.console import Console
from rich.progress import ProgressColumn

from experts.training.trainer import Progress
from orchestrator.cli.progress import progress_bars, progress_listener


def test_a_bar_shows_tokens_loss_and_speed() -> None:
    console = Console(file=io.StringIO(), width=160, force_terminal=False)
    clock = iter(float(second) for second in range(100))
    bars = progress_bars(console)
    bars.get_time = lambda: next(clock)
    listener = progress_listener(bars, "law")
    for done in (1000, 1500, 2000):
        listener.on_training(Progress("training", done, 4000, 0.5))
    (task,) = bars.tasks

    assert (task.completed, task.fields["loss"], task.speed is not None) == (2000, "loss 0.500", True)
    cells = [column(task) for column in bars.columns if isinstance(column, ProgressColumn)]
    assert "500/s" in map(str, cells)


def test_rows_that_are_left_out_are_told() -> None:
    console = Console(file=io.StringIO(), width=160)
    listener = progress_listener(progress_bars(console), "law")
    listener.on_rows_skipped("bills", 1200, 1024)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == "law: 1,200 rows of bills have more than 1,024 tokens; left out\n"
