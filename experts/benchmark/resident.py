"""The memory of a process."""

import os
from pathlib import Path


def resident_bytes(process_id: int | None = None) -> int:
    """As the system counts it (RSS), of this process if none is named; Linux only. Raises OSError if it is gone."""
    pages = int(Path(f"/proc/{process_id or 'self'}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
