"""Every Redis key, from one factory; every key in a named retention class.

| key                           | type       | class                          |
| ----------------------------- | ---------- | ------------------------------ |
| ccoe:{tenant}:runs            | sorted set | permanent, trimmed when listed |
| ccoe:{tenant}:active          | set        | permanent, empty when idle     |
| ccoe:{tenant}:experts:audit   | stream     | permanent, capped              |
| ccoe:{tenant}:api_keys        | hash       | permanent                      |
| ccoe:{tenant}:worker:<worker> | string     | lease                          |
| ccoe:{tenant/run}:run         | hash       | live, then finished            |
| ccoe:{tenant/run}:steps       | hash       | live, then finished            |
| ccoe:{tenant/run}:events      | stream     | live, then finished            |
"""

import re
from dataclasses import dataclass
from enum import StrEnum

_OF_RUN = re.compile(r"^ccoe:\{[a-z0-9_-]+/(?P<run_id>[a-z0-9]+)\}:(run|steps|events)$")
_OF_TENANT = re.compile(r"^ccoe:\{[a-z0-9_-]+\}:(runs|active|experts:audit|api_keys)$")
_OF_WORKER = re.compile(r"^ccoe:\{[a-z0-9_-]+\}:worker:[a-z0-9]+$")


class Retention(StrEnum):
    """How long a key is kept."""

    PERMANENT = "permanent"
    """No TTL."""
    LIVE = "live"
    """No TTL: it belongs to a run that is not terminal."""
    FINISHED = "finished"
    """`run_ttl_seconds` from the run's end on."""
    LEASE = "lease"
    """A short TTL, renewed by who holds it."""

    @property
    def expires(self) -> bool:
        """Whether a key of this class must have a TTL."""
        return self in (Retention.FINISHED, Retention.LEASE)


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one tenant. The keys of a run share a hash tag, so that a script may touch them together."""

    tenant: str

    @property
    def runs(self) -> str:
        """The ids of the runs by time of creation."""
        return f"ccoe:{{{self.tenant}}}:runs"

    @property
    def active(self) -> str:
        """The ids of the runs that may not be terminal."""
        return f"ccoe:{{{self.tenant}}}:active"

    @property
    def experts_audit(self) -> str:
        """Every change of the experts that a service made."""
        return f"ccoe:{{{self.tenant}}}:experts:audit"

    @property
    def api_keys(self) -> str:
        """The keys of the HTTP API by name: hashes of their secrets."""
        return f"ccoe:{{{self.tenant}}}:api_keys"

    def worker(self, worker: str) -> str:
        """Present while the worker lives."""
        return f"ccoe:{{{self.tenant}}}:worker:{worker}"

    def run(self, run_id: str) -> str:
        """The run's record."""
        return f"ccoe:{{{self.tenant}/{run_id}}}:run"

    def steps(self, run_id: str) -> str:
        """The results of the run's steps by step id."""
        return f"ccoe:{{{self.tenant}/{run_id}}}:steps"

    def events(self, run_id: str) -> str:
        """The run's trace."""
        return f"ccoe:{{{self.tenant}/{run_id}}}:events"

    def of_run(self, run_id: str) -> list[str]:
        """All keys of a run."""
        return [self.run(run_id), self.steps(run_id), self.events(run_id)]


def run_id_of(key: str) -> str | None:
    """The run that a key belongs to, or None if it belongs to no run."""
    match = _OF_RUN.match(key)
    return match["run_id"] if match else None


def retention_of(key: str, *, is_terminal: bool) -> Retention | None:
    """The class of a key, given whether its run has ended. None: no key of ours."""
    if run_id_of(key):
        return Retention.FINISHED if is_terminal else Retention.LIVE
    if _OF_TENANT.match(key):
        return Retention.PERMANENT
    return Retention.LEASE if _OF_WORKER.match(key) else None
