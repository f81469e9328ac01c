"""Something that is wrong, what to do about it, and how it is repaired where that is safe."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

Subject = Literal["redis", "runs", "queue", "keys", "disk", "service", "experts"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault."""

    subject: Subject
    message: str
    remedy: str
    fix: Callable[[], Awaitable[object]] | None = None
    """Repairs it without losing anything; None: a person has to decide."""
