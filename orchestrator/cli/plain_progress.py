"""Bars for what is counted, without anything of torch."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, TaskID


@contextmanager
def plain_progress(console: Console, what: str, total: int) -> Generator[Callable[[], None]]:
    """Call what is given for each one that is done."""
    with Progress(console=console) as bars:
        task = bars.add_task(what, total=total)
        yield lambda: bars.advance(task)


@contextmanager
def phase_progress(console: Console) -> Generator[Callable[[str, int, int], None]]:
    """Call what is given with a phase, how much of it is done, and of how much: each phase has a bar."""
    tasks: dict[str, TaskID] = {}
    with Progress(console=console) as bars:

        def show(phase: str, done: int, total: int) -> None:
            if phase not in tasks:
                tasks[phase] = bars.add_task(phase, total=total)
            bars.update(tasks[phase], completed=done)

        yield show
