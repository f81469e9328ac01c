"""Every Redis key, from one factory; every key in a named retention class.

| key                                    | type       | class                          |
| -------------------------------------- | ---------- | ------------------------------ |
| ccoe:{tenant}:runs                     | sorted set | permanent, trimmed when listed |
| ccoe:{tenant}:threads                  | sorted set | permanent, trimmed when listed |
| ccoe:{tenant}:experts:audit            | stream     | permanent, capped              |
| ccoe:{tenant}:api_keys                 | hash       | permanent                      |
| ccoe:{tenant}:queue:<lane>             | stream     | permanent, empty when idle     |
| ccoe:{tenant}:queue:delayed            | sorted set | permanent, gone when empty     |
| ccoe:{tenant}:concurrency:<key>:active | sorted set | permanent, gone when empty     |
| ccoe:{tenant}:concurrency:<key>:parked | list       | permanent, gone when empty     |
| ccoe:{tenant}:idempotency:<digest>     | string     | recent                         |
| ccoe:{tenant/run}:run                  | hash       | live, then finished            |
| ccoe:{tenant/run}:steps                | hash       | live, then finished            |
| ccoe:{tenant/run}:memo                 | hash       | live, then finished            |
| ccoe:{tenant/run}:events               | stream     | live, then finished            |
| ccoe:{tenant/thread}:checkpoints       | sorted set | live, then finished            |
| ccoe:{tenant/thread}:writes            | sorted set | live, then finished            |
| ccoe:{tenant/thread}:channels          | hash       | live, then finished            |
| ccoe:{tenant/thread}:thread            | hash       | live, then used                |
| ccoe:{tenant/thread}:turns             | sorted set | live, then used                |
| ccoe:{tenant/thread}:runs              | sorted set | live, then used                |
| ccoe:{tenant/thread}:open              | sorted set | live, then used                |

The checkpoints of a run are in the thread that has the run's id. A thread without a run is finished by each write to
it. The last four are a conversation: live while one of its runs is open.
"""

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote, unquote

_OF_RUN = re.compile(r"^ccoe:\{[a-z0-9_-]+/(?P<run_id>[a-z0-9]+)\}:(run|steps|memo|events)$")
_OF_THREAD = re.compile(r"^ccoe:\{[a-z0-9_-]+/(?P<thread>[A-Za-z0-9_.~%-]+)\}:(checkpoints|writes|channels)$")
_OF_CONVERSATION = re.compile(r"^ccoe:\{[a-z0-9_-]+/(?P<thread>[A-Za-z0-9_.-]+)\}:(thread|turns|runs|open)$")
_OF_TENANT = re.compile(
    r"^ccoe:\{[a-z0-9_-]+\}:"
    r"(runs|threads|experts:audit|api_keys|queue:(high|normal|low|private|delayed)|concurrency:[\w.:-]+:(active|parked))$"
)
_OF_REQUEST = re.compile(r"^ccoe:\{[a-z0-9_-]+\}:idempotency:[0-9a-f]{64}$")


class Retention(StrEnum):
    """How long a key is kept."""

    PERMANENT = "permanent"
    """No TTL."""
    LIVE = "live"
    """No TTL: it belongs to a run that is not terminal, or to a conversation with such a run."""
    FINISHED = "finished"
    """`run_ttl_seconds` from the run's end on, or from the last write to a thread without a run."""
    USED = "used"
    """`run_ttl_seconds` from the last use of a conversation on: it was made, changed, or its last open run ended."""
    RECENT = "recent"
    """A day from its creation on, or `run_ttl_seconds` if that is less."""

    @property
    def expires(self) -> bool:
        """Whether a key of this class must have a TTL."""
        return self in (Retention.FINISHED, Retention.USED, Retention.RECENT)


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one tenant. What a script touches together shares a hash tag: the tenant's, or a run's."""

    tenant: str

    @property
    def runs(self) -> str:
        """The ids of the runs by time of creation."""
        return f"ccoe:{{{self.tenant}}}:runs"

    @property
    def threads(self) -> str:
        """The ids of the conversations by time of their last use."""
        return f"ccoe:{{{self.tenant}}}:threads"

    @property
    def experts_audit(self) -> str:
        """Every change of the experts that a service made."""
        return f"ccoe:{{{self.tenant}}}:experts:audit"

    @property
    def api_keys(self) -> str:
        """The keys of the HTTP API by name: hashes of their secrets."""
        return f"ccoe:{{{self.tenant}}}:api_keys"

    @property
    def lanes(self) -> list[str]:
        """The queues, the one that is served first in front; what comes into `private` is handed out already."""
        return [f"ccoe:{{{self.tenant}}}:queue:{lane}" for lane in ("high", "normal", "low", "private")]

    @property
    def delayed(self) -> str:
        """Queue entries by the time when they are due."""
        return f"ccoe:{{{self.tenant}}}:queue:delayed"

    @property
    def concurrency(self) -> str:
        """The beginning of the keys that count the runs of a concurrency key."""
        return f"ccoe:{{{self.tenant}}}:concurrency:"

    def idempotency(self, key: str) -> str:
        """The run that a request with this idempotency key has made."""
        return f"ccoe:{{{self.tenant}}}:idempotency:{hashlib.sha256(key.encode()).hexdigest()}"

    def run(self, run_id: str) -> str:
        """The run's record."""
        return self._key(run_id, "run")

    def steps(self, run_id: str) -> str:
        """The results of the run's steps by step id."""
        return self._key(run_id, "steps")

    def memo(self, run_id: str) -> str:
        """What is not done again: the plan, and each finished execution of a step."""
        return self._key(run_id, "memo")

    def events(self, run_id: str) -> str:
        """The run's trace."""
        return self._key(run_id, "events")

    def of_run(self, run_id: str) -> list[str]:
        """All keys of a run."""
        own = [self.run(run_id), self.steps(run_id), self.memo(run_id), self.events(run_id)]
        return [*own, *self.of_thread(run_id)]

    def of_thread(self, thread_id: str) -> list[str]:
        """Checkpoints, writes and channel values of a thread, whatever characters its id has."""
        return [self._key(thread_id, kind) for kind in ("checkpoints", "writes", "channels")]

    def of_conversation(self, thread_id: str) -> list[str]:
        """Record, turns, runs and open runs of a conversation."""
        return [self._key(thread_id, kind) for kind in ("thread", "turns", "runs", "open")]

    @property
    def any_checkpoints(self) -> str:
        """A pattern: the checkpoints of every thread."""
        return f"ccoe:{{{self.tenant}/*}}:checkpoints"

    def _key(self, owner: str, kind: str) -> str:
        return f"ccoe:{{{self.tenant}/{quote(owner, safe='')}}}:{kind}"


def run_id_of(key: str) -> str | None:
    """The run that a key belongs to, or None if it belongs to no run."""
    match = _OF_RUN.match(key)
    return match["run_id"] if match else None


def thread_id_of(key: str) -> str | None:
    """The thread that a key belongs to, or None if it belongs to no thread."""
    match = _OF_THREAD.match(key)
    return unquote(match["thread"]) if match else None


def conversation_of(key: str) -> str | None:
    """The conversation that a key belongs to, or None."""
    match = _OF_CONVERSATION.match(key)
    return match["thread"] if match else None


def retention_of(key: str, *, is_terminal: bool) -> Retention | None:
    """The class of a key, given whether its run, or every run of its conversation, has ended. None: no key of ours."""
    if conversation_of(key):
        return Retention.USED if is_terminal else Retention.LIVE
    if run_id_of(key) or thread_id_of(key):
        return Retention.FINISHED if is_terminal else Retention.LIVE
    if _OF_TENANT.match(key):
        return Retention.PERMANENT
    return Retention.RECENT if _OF_REQUEST.match(key) else None
