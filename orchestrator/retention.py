"""How long what expires is kept, by the classes of orchestrator/keys.py, and how long a trace may grow."""

import re
from dataclasses import dataclass
from typing import Annotated, Any, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600, "w": 7 * 24 * 3600}
_DURATION = re.compile(rf"(\d+)\s*([{''.join(_UNITS)}])")
DAY = _UNITS["d"]


def _seconds(value: object) -> object:
    if not isinstance(value, str) or value.isdigit():
        return value
    if (match := _DURATION.fullmatch(value.strip())) is None:
        raise ValueError(f"{value!r} is no duration; write one such as 45s, 90m, 12h, 30d or 2w")
    return int(match[1]) * _UNITS[match[2]]


Duration = Annotated[int, Field(ge=1), BeforeValidator(_seconds)]
"""Seconds; read from a number of them, or from text such as `12h`."""


class RetentionTimes(BaseModel):
    """The durations of the classes that expire. None follows the class that is named there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    finished: Duration | None = None
    """Records, results, memos and checkpoints of ended runs; None: `run_ttl_seconds`."""
    traces: Duration | None = None
    """Traces of ended runs, at most `finished`; None: as long as that."""
    recent: Duration = DAY
    """Idempotency keys, at most `finished`."""

    @model_validator(mode="before")
    @classmethod
    def _known_classes(cls, value: object) -> object:
        given = set(cast(dict[str, Any], value)) if isinstance(value, dict) else set[str]()
        if unknown := given - cls.model_fields.keys():
            raise ValueError(f"{', '.join(sorted(unknown))}: the classes are {', '.join(cls.model_fields)}")
        return value


@dataclass(frozen=True, slots=True)
class TraceLimits:
    """How far a trace grows, and how long it stays."""

    max_entries: int = 20_000
    """From there on text that is being written is left out; everything else is kept."""
    seconds: int | None = None
    """From the run's end on; None: as long as its record."""
