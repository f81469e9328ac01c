"""Changes of the experts that were made on disk while no service ran: JSON Lines beside the registry."""

import logging
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from experts.file_lock import locked
from orchestrator.expert_audit import ExpertChange

_LOG = logging.getLogger(__name__)
_FILE = "audit.jsonl"
_LOCK = "registry.lock"


class AuditFile:
    """A file that is only ever appended to, by one process at a time."""

    def __init__(self, experts_dir: Path) -> None:
        self.path = experts_dir / _FILE

    @contextmanager
    def changing(self) -> Generator[None]:
        """Change the registry inside, alone; raises OSError at the beginning if the audit cannot be written."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with locked(self.path.with_name(_LOCK)), self.path.open("ab"):
            yield

    def append(self, change: ExpertChange) -> None:
        """Write one change, as one write that is on disk afterwards; `changing` is held."""
        line = change.model_dump_json().encode() + b"\n"
        with self.path.open("a+b", buffering=0) as file:
            # behind a line that a crash has cut
            if file.seek(0, os.SEEK_END) and _last_byte(file.fileno()) != b"\n":
                line = b"\n" + line
            file.write(line)
            os.fsync(file.fileno())

    def newest(self, limit: int) -> list[ExpertChange]:
        """The newest changes, the newest first; a line that is damaged is told in the log."""
        if not self.path.exists():
            return []
        found: list[ExpertChange] = []
        for number, line in enumerate(self.path.read_bytes().splitlines(), start=1):
            try:
                found.append(ExpertChange.model_validate_json(line))
            except ValidationError:
                _LOG.warning("%s:%d is damaged and left out", self.path, number)
        return found[: -limit - 1 : -1]


def _last_byte(descriptor: int) -> bytes:
    return os.pread(descriptor, 1, os.fstat(descriptor).st_size - 1)
