"""Who serves a data directory: one `ccoe serve`, found by the others through serve.json."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orchestrator.errors import DataDirectoryBusyError
from orchestrator.file_lock import FileLock

_LOCK = "serve.lock"
_ANNOUNCEMENT = "serve.json"
_PATIENCE_SECONDS = 1.0


class Announcement(BaseModel):
    """What a running service tells about itself to those who can read its data directory."""

    model_config = ConfigDict(frozen=True)

    pid: int
    url: str
    token: str = Field(repr=False)
    """Opens all of its API while it runs."""


@asynccontextmanager
async def served_alone(data_dir: Path) -> AsyncGenerator[Path]:
    """Be the only service of the data directory. Raises DataDirectoryBusyError naming the other one."""
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = FileLock(data_dir / _LOCK)
    try:
        # patience: somebody who only looks holds the lock for a moment
        if not await lock.acquire(_PATIENCE_SECONDS):
            other = _announced(data_dir)
            raise DataDirectoryBusyError(data_dir, other.pid if other else None, other.url if other else None)
        (data_dir / _ANNOUNCEMENT).unlink(missing_ok=True)
        yield data_dir
        (data_dir / _ANNOUNCEMENT).unlink(missing_ok=True)
    finally:
        lock.release()


def announce(data_dir: Path, announcement: Announcement) -> None:
    """Tell the user's other processes where to find this service; nobody else can read it."""
    written = data_dir / f"{_ANNOUNCEMENT}.new"
    written.unlink(missing_ok=True)
    written.touch(mode=0o600)
    written.write_text(announcement.model_dump_json(), encoding="utf-8")
    written.replace(data_dir / _ANNOUNCEMENT)


def running_service(data_dir: Path) -> Announcement | None:
    """The service that is running on the data directory, if there is one."""
    if not (data_dir / _LOCK).exists():
        return None
    lock = FileLock(data_dir / _LOCK)
    is_free = lock.try_acquire(shared=True)
    lock.release()
    return None if is_free else _announced(data_dir)


def _announced(data_dir: Path) -> Announcement | None:
    try:
        return Announcement.model_validate_json((data_dir / _ANNOUNCEMENT).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValidationError):
        return None
