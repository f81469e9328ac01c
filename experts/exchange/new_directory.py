"""A directory that appears whole or not at all, and replaces none that holds something."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from experts.errors import ExchangeError
from experts.whole_directory import whole_directory


@contextmanager
def new_directory(target: Path) -> Generator[Path]:
    """Yields a directory to fill; it becomes `target` if nothing was raised. Raises ExchangeError if that exists."""
    target = target.absolute()
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise ExchangeError(f"output {str(target)!r}", "it exists and nothing is overwritten; name a new directory")
    with whole_directory(target) as staging:
        yield staging
