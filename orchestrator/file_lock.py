"""A lock on a file, held by a process until it lets go or dies (flock)."""

import asyncio
import fcntl
import os
import time
from pathlib import Path


class FileLock:
    """One open lock file. A process that dies releases its locks, however it dies."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None

    def try_acquire(self, *, shared: bool = False) -> bool:
        """Take the lock if nobody is in the way; a held lock is converted."""
        if self._fd is None:
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    async def acquire(self, timeout: float) -> bool:
        """Wait for the exclusive lock, at most `timeout` seconds. False: somebody else still has it."""
        end = time.monotonic() + timeout
        while not self.try_acquire():
            if time.monotonic() > end:
                return False
            await asyncio.sleep(0.02)
        return True

    def fileno(self) -> int:
        """The descriptor, for a child process that is to hold the lock on."""
        assert self._fd is not None
        return self._fd

    def release(self) -> None:
        """Close the file. A child that inherited the descriptor keeps the lock."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
