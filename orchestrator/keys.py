"""Every Redis key, from one factory; every key in a named retention class.

| key                                    | type       | class                          |
| -------------------------------------- | ---------- | ------------------------------ |
| ccoe:{tenant}:runs                     | sorted set | permanent, trimmed when listed |
| ccoe:{tenant}:threads                  | sorted set | permanent, trimmed when listed |
| ccoe:{tenant}:experts:audit            | stream     | permanent, capped              |
| ccoe:{tenant}:api_keys                 | hash       | permanent                      |
| ccoe:{tenant}:schedules                | hash       | permanent                      |
| ccoe:{tenant}:schedules:due            | sorted set | permanent                      |
| ccoe:{tenant}:webhooks                 | hash       | permanent, each for its time   |
| ccoe:{tenant}:webhooks:due             | sorted set | permanent, gone when empty     |
| ccoe:{tenant}:queue:<lane>             | stream     | permanent, empty when idle     |
| ccoe:{tenant}:queue:delayed            | sorted set | permanent, gone when empty     |
| ccoe:{tenant}:queue:aside              | hash       | permanent, gone when empty     |
| ccoe:{tenant}:concurrency:<key>:active | sorted set | permanent, gone when empty     |
| ccoe:{tenant}:concurrency:<key>:parked | list       | permanent, gone when empty     |
| ccoe:{tenant}:idempotency:<digest>     | string     | recent                         |
| ccoe:{tenant}:step_cache:<digest>      | string     | cached                         |
| ccoe:{tenant}:health                   | string     | momentary                      |
| ccoe:{tenant/run}:run                  | hash       | live, then finished            |
| ccoe:{tenant/run}:steps                | hash       | live, then finished            |
| ccoe:{tenant/run}:memo                 | hash       | live, then finished            |
| ccoe:{tenant/run}:events               | stream     | live, then traces              |
| ccoe:{tenant/thread}:checkpoints       | sorted set | live, then finished            |
| ccoe:{tenant/thread}:writes            | sorted set | live, then finished            |
| ccoe:{tenant/thread}:channels          | hash       | live, then finished            |
| ccoe:{tenant/thread}:thread            | hash       | live, then used                |
| ccoe:{tenant/thread}:turns             | sorted set | live, then used                |
| ccoe:{tenant/thread}:runs              | sorted set | live, then used                |
| ccoe:{tenant/thread}:open              | sorted set | live, then used                |

A key that is not made here and has no row in `KINDS` is nobody's: tests fail on it, `ccoe gc` shows it. The thread of
a run has the run's id. A thread without a run is finished by each write to it. The last four are a conversation: live
while one of its runs is open.
"""

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal
from urllib.parse import quote, unquote

_KEY = re.compile(r"ccoe:\{(?P<tenant>[a-z0-9_-]+)(?:/(?P<owner>[A-Za-z0-9_.~%-]+))?\}:(?P<rest>.+)")


class Retention(StrEnum):
    """How long a key is kept."""

    PERMANENT = "permanent"
    """No TTL."""
    LIVE = "live"
    """No TTL: it belongs to a run that is not terminal, or to a conversation with such a run."""
    FINISHED = "finished"
    """From the run's end on, or from the last write to a thread without a run."""
    TRACES = "traces"
    """From the run's end on; not longer than its record."""
    USED = "used"
    """`run_ttl_seconds` from the last use of a conversation on: it was made, changed, or its last open run ended."""
    RECENT = "recent"
    """From its creation on; not longer than a finished run."""
    CACHED = "cached"
    """`step_cache_seconds` from when it was found on; not longer than a finished run."""
    MOMENTARY = "momentary"
    """A minute."""

    @property
    def expires(self) -> bool:
        """Whether a key of this class must have a TTL."""
        return self not in (Retention.PERMANENT, Retention.LIVE)


@dataclass(frozen=True, slots=True)
class Kind:
    """A row of the table: the name behind the hash tag, a pattern for what follows it, and the class."""

    name: str
    owner: Literal["tenant", "run", "thread", "conversation"]
    retention: Retention
    """That of a run or thread: once it has ended. Before, it is `live`."""
    rest: str = ""


KINDS = (
    Kind("runs", "tenant", Retention.PERMANENT),
    Kind("threads", "tenant", Retention.PERMANENT),
    Kind("experts:audit", "tenant", Retention.PERMANENT),
    Kind("api_keys", "tenant", Retention.PERMANENT),
    Kind("schedules", "tenant", Retention.PERMANENT, "(:due)?"),
    Kind("webhooks", "tenant", Retention.PERMANENT, "(:due)?"),
    Kind("queue", "tenant", Retention.PERMANENT, ":(high|normal|low|private|delayed|aside)"),
    Kind("concurrency", "tenant", Retention.PERMANENT, r":[\w.:-]+:(active|parked)"),
    Kind("idempotency", "tenant", Retention.RECENT, ":[0-9a-f]{64}"),
    Kind("step_cache", "tenant", Retention.CACHED, ":[0-9a-f]{64}"),
    Kind("health", "tenant", Retention.MOMENTARY),
    Kind("run", "run", Retention.FINISHED),
    Kind("steps", "run", Retention.FINISHED),
    Kind("memo", "run", Retention.FINISHED),
    Kind("events", "run", Retention.TRACES),
    Kind("checkpoints", "thread", Retention.FINISHED),
    Kind("writes", "thread", Retention.FINISHED),
    Kind("channels", "thread", Retention.FINISHED),
    Kind("thread", "conversation", Retention.USED),
    Kind("turns", "conversation", Retention.USED),
    Kind("runs", "conversation", Retention.USED),
    Kind("open", "conversation", Retention.USED),
)
"""Every kind of key; a new one is a row here."""


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
    def schedules(self) -> tuple[str, str]:
        """The schedules by id, and their ids by the time when to look at them."""
        return f"ccoe:{{{self.tenant}}}:schedules", f"ccoe:{{{self.tenant}}}:schedules:due"

    @property
    def webhooks(self) -> tuple[str, str]:
        """What is to be delivered to webhooks by id, and the ids by the time when to look at them."""
        return f"ccoe:{{{self.tenant}}}:webhooks", f"ccoe:{{{self.tenant}}}:webhooks:due"

    @property
    def lanes(self) -> list[str]:
        """The queues, the one that is served first in front; what comes into `private` is handed out already."""
        return [f"ccoe:{{{self.tenant}}}:queue:{lane}" for lane in ("high", "normal", "low", "private")]

    @property
    def delayed(self) -> str:
        """Queue entries by the time when they are due."""
        return f"ccoe:{{{self.tenant}}}:queue:delayed"

    @property
    def aside(self) -> str:
        """Queue entries of runs that wait for a person, by run."""
        return f"ccoe:{{{self.tenant}}}:queue:aside"

    @property
    def concurrency(self) -> str:
        """The beginning of the keys that count the runs of a concurrency key."""
        return f"ccoe:{{{self.tenant}}}:concurrency:"

    @property
    def health(self) -> str:
        """What is written to see whether Redis takes writes."""
        return f"ccoe:{{{self.tenant}}}:health"

    def idempotency(self, key: str) -> str:
        """The run that a request with this idempotency key has made."""
        return f"ccoe:{{{self.tenant}}}:idempotency:{hashlib.sha256(key.encode()).hexdigest()}"

    def cached_step(self, asked: str) -> str:
        """What a step found in any run in which this was asked."""
        return f"ccoe:{{{self.tenant}}}:step_cache:{hashlib.sha256(asked.encode()).hexdigest()}"

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


def kind_of(key: str) -> Kind | None:
    """The row that a key belongs to; None if it is no key of ours."""
    if (match := _KEY.fullmatch(key)) is None:
        return None
    is_tenants = match["owner"] is None
    for kind in KINDS:
        if is_tenants == (kind.owner == "tenant") and re.fullmatch(re.escape(kind.name) + kind.rest, match["rest"]):
            return kind if kind.owner != "run" or match["owner"].isalnum() else None
    return None


def run_id_of(key: str) -> str | None:
    """The run that a key belongs to, or None if it belongs to no run."""
    return _owner_of(key, "run")


def thread_id_of(key: str) -> str | None:
    """The thread that a key belongs to, or None if it belongs to no thread."""
    return _owner_of(key, "thread")


def conversation_of(key: str) -> str | None:
    """The conversation that a key belongs to, or None."""
    return _owner_of(key, "conversation")


def retention_of(key: str, *, is_terminal: bool) -> Retention | None:
    """The class of a key, given whether its run, or every run of its conversation, has ended. None: no key of ours."""
    kind = kind_of(key)
    if kind is None:
        return None
    return kind.retention if kind.owner == "tenant" or is_terminal else Retention.LIVE


def _owner_of(key: str, owner: str) -> str | None:
    kind, match = kind_of(key), _KEY.fullmatch(key)
    return unquote(match["owner"]) if match and kind and kind.owner == owner else None
