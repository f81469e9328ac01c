"""A schedule: a request that becomes a run at each time of its timetable."""

import secrets
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice, takewhile
from typing import Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, FieldSerializationInfo, field_serializer

from orchestrator.run_request import RunRequest
from orchestrator.schedule_errors import ScheduleEndedError, ScheduleRefusedError
from orchestrator.timetable import Timetable
from orchestrator.webhook import REVEALED

MAX_MISSED_RUNS = 100
"""Of one schedule, when it is looked at again under the policy `all`."""
PUNCTUAL = timedelta(seconds=60)
"""What is later than this was missed."""


class MissedRuns(StrEnum):
    """What becomes of times at which no service was there."""

    SKIP = "skip"
    ONCE = "once"
    """One run for all of them."""
    ALL = "all"
    """A run for each of the first `MAX_MISSED_RUNS`."""


class Overlap(StrEnum):
    """What becomes of a time at which the schedule's last run goes on."""

    ALLOW = "allow"
    SKIP = "skip"


class ScheduleRequest(BaseModel):
    """A schedule that is to be made. An `at` without an offset is a time of the time zone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=100)
    cron: str | None = None
    at: datetime | None = None
    timezone: str = Field(default="UTC", max_length=100)
    request: RunRequest
    missed: MissedRuns = MissedRuns.ONCE
    overlap: Overlap = Overlap.ALLOW


class ScheduleChange(BaseModel):
    """What is to be different; `cron` replaces `at`, and the other way round."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(default="", min_length=1, max_length=100)
    cron: str = ""
    at: datetime | None = None
    timezone: str = Field(default="UTC", max_length=100)
    request: RunRequest = RunRequest()
    missed: MissedRuns = MissedRuns.ONCE
    overlap: Overlap = Overlap.ALLOW


class Schedule(Timetable):
    """The record. `next_due` is None while it is paused, and for good when its one time is over."""

    id: str
    tenant: str
    name: str
    request: RunRequest
    missed: MissedRuns
    overlap: Overlap
    created: AwareDatetime
    is_paused: bool = False
    next_due: AwareDatetime | None
    ended: AwareDatetime | None = None
    """When its one time was over."""
    last_due: AwareDatetime | None = None
    """The last time that was attended to, whatever came of it."""
    last_run_id: str | None = None
    last_error: str | None = None
    """Why the last time it was due there was no run, or None."""

    @field_serializer("request", when_used="json")
    def _as_asked(self, request: RunRequest, info: FieldSerializationInfo) -> dict[str, Any]:
        return request.model_dump(mode="json", exclude_unset=True, context=info.context)

    @classmethod
    def create(cls, asked: ScheduleRequest, tenant: str, now: datetime) -> Self:
        """A new one, due from now on. Raises ScheduleRefusedError."""
        _check(asked.request)
        timetable = Timetable.check(asked.cron, asked.at, asked.timezone, now)
        return cls(
            **dict(timetable),
            id=secrets.token_hex(8),
            tenant=tenant,
            name=asked.name,
            request=asked.request,
            missed=asked.missed,
            overlap=asked.overlap,
            created=now,
            next_due=timetable.after(now),
        )

    def changed(self, change: ScheduleChange, now: datetime) -> Self:
        """With what is different; another timetable begins now. Raises ScheduleRefusedError."""
        changes = {name: getattr(change, name) for name in change.model_fields_set}
        _check(changes.get("request", self.request))
        if changes.keys() & {"cron", "at", "timezone"}:
            cron = changes.get("cron", None if "at" in changes else self.cron)
            at = changes.get("at", None if "cron" in changes else self.at)
            timetable = Timetable.check(cron, at, changes.get("timezone", self.timezone), now)
            next_due = None if self.is_paused else timetable.after(now)
            changes |= {**dict(timetable), "next_due": next_due, "ended": None}
        return self.model_copy(update=changes)

    def paused(self) -> Self:
        """Not due any more. Raises ScheduleEndedError."""
        if self.ended:
            raise ScheduleEndedError(self.id)
        return self.model_copy(update={"is_paused": True, "next_due": None})

    def resumed(self, now: datetime) -> Self:
        """Due from now on; what its pause has left out is not made up for. Raises ScheduleEndedError."""
        if not self.is_paused:
            return self
        if (next_due := self.after(now)) is None:
            raise ScheduleEndedError(self.id)
        return self.model_copy(update={"is_paused": False, "next_due": next_due})

    def due_times(self, now: datetime) -> list[datetime]:
        """The times for which there are to be runs now; other ones that are over were missed."""
        due = self.next_due
        if due is None or due > now:
            return []
        match self.missed:
            case MissedRuns.ONCE:
                return [due]
            case MissedRuns.SKIP:
                behind = max(due, now - PUNCTUAL) - timedelta(microseconds=1)
                return self._times(behind, now)
            case MissedRuns.ALL:
                return self._times(due - timedelta(microseconds=1), now)

    def attended(self, due: datetime, now: datetime, run_id: str | None, error: str | None) -> Self:
        """After the times up to now were attended to. If it was changed meanwhile, its timetable stays as it is."""
        changes = {"last_due": due, "last_run_id": run_id or self.last_run_id, "last_error": error}
        if self.next_due is not None and self.next_due <= now:
            next_due = self.after(now)
            changes |= {"next_due": next_due, "ended": None if next_due else now}
        return self.model_copy(update=changes)

    def stored(self) -> str:
        """As Redis keeps it, the secret of a webhook too."""
        return self.model_dump_json(context=REVEALED)

    def _times(self, behind: datetime, now: datetime) -> list[datetime]:
        return list(takewhile(lambda time: time <= now, islice(self.times(behind), MAX_MISSED_RUNS)))


def _check(request: RunRequest) -> None:
    if request.idempotency_key is not None:
        reason = "the request of a schedule has an idempotency_key, which would make one run of all"
        raise ScheduleRefusedError(reason, "leave it out; each time has its own")
