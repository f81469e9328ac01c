"""One bar for something that is counted, without anything of torch."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress


@contextmanager
def plain_progress(console: Console, what: str, total: int) -> Generator[Callable[[], None]]:
    """Call what is given for each one that is done."""
    with Progress(console=console) as bars:
        task = bars.add_task(what, total=total)
        yield lambda: bars.advance(task)
