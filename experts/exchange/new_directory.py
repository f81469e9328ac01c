"""A directory that appears whole or not at all, and replaces none."""

import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from experts.errors import ExchangeError


@contextmanager
def new_directory(target: Path) -> Generator[Path]:
    """Yields a directory to fill; it becomes `target` if nothing was raised. Raises ExchangeError if that exists."""
    target = target.absolute()
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise ExchangeError(f"output {str(target)!r}", "it exists and nothing is overwritten; name a new directory")
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield staging
        staging.chmod(0o755)
        staging.replace(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
