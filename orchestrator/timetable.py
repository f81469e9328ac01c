"""When something is due: by a cron expression in a time zone, or once."""

from collections.abc import Iterator
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Self
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError
from pydantic import AwareDatetime, BaseModel, ConfigDict

from orchestrator.schedule_errors import ScheduleRefusedError

_MAX_CRON_CHARS = 200
_FIELDS = "minute, hour, day of month, month, day of week"


class Timetable(BaseModel):
    """Five fields of cron, or one moment; the other is None. Both were checked by `check`.

    Where clocks are changed it is as in Debian's cron. A fixed time (neither minute nor hour begins with `*`) that does
    not exist comes right behind the gap, one that exists twice comes the first time; `*` counts real minutes and hours.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    cron: str | None = None
    at: AwareDatetime | None = None
    timezone: str = "UTC"

    @classmethod
    def check(cls, cron: str | None, at: datetime | None, timezone: str, now: datetime) -> Self:
        """Raises ScheduleRefusedError naming what cannot be used, or that it is never due from `now` on."""
        zone = _zone(timezone)
        if (cron is None) == (at is None):
            raise ScheduleRefusedError("a schedule has either `cron` or `at`", "give one of the two")
        if at is not None:
            at = _moment(at, zone)
        elif cron is not None:
            cron = " ".join(cron.split())
            _check_cron(cron, now)
        timetable = cls(cron=cron, at=at, timezone=timezone)
        if timetable.after(now) is None:
            when = "that day never comes" if cron else f"{at:%Y-%m-%d %H:%M:%S} UTC is over"
            raise ScheduleRefusedError(f"it would never be due: {when}", "choose a time to come")
        return timetable

    def after(self, moment: datetime) -> datetime | None:
        """The first time it is due behind a moment, in UTC."""
        if self.cron is None:
            return self.at if self.at and self.at > moment else None
        local = moment.astimezone(ZoneInfo(self.timezone))
        # cronsim counts fixed times without an offset: in an hour that comes twice it may begin with the first one
        times = (time.astimezone(UTC) for time in CronSim(self.cron, local))
        return next((time for time in times if time > moment), None)

    def times(self, moment: datetime) -> Iterator[datetime]:
        """All times behind a moment."""
        while following := self.after(moment):
            yield following
            moment = following


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:  # a folder's name, a path, an unknown one
        near = get_close_matches(name, sorted(available_timezones()), n=3, cutoff=0.5)
        remedy = f"did you mean {' or '.join(near)}?" if near else "use a name such as Europe/Berlin or UTC"
        raise ScheduleRefusedError(f"there is no time zone {name!r}", remedy) from error


def _moment(at: datetime, zone: ZoneInfo) -> datetime:
    """In UTC; a time without an offset is the zone's, and the first one if there are two."""
    if at.tzinfo is not None:
        return at.astimezone(UTC)
    moment = at.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) != at:
        reason = f"{at:%Y-%m-%d %H:%M} does not exist in {zone.key}: the clocks go over it"
        raise ScheduleRefusedError(reason, "choose another time, or write its offset: 2026-03-29T02:30+01:00")
    return moment


def _check_cron(cron: str, now: datetime) -> None:
    shown = cron if len(cron) <= _MAX_CRON_CHARS else f"{cron[:50]}…"
    remedy = f"write five fields: {_FIELDS}; for example `30 7 * * MON-FRI`"
    if len(cron) > _MAX_CRON_CHARS:
        raise ScheduleRefusedError(f"cron {shown!r} is longer than {_MAX_CRON_CHARS} characters", remedy)
    if (count := len(cron.split())) != 5:
        raise ScheduleRefusedError(f"cron {shown!r} has {count} field{'' if count == 1 else 's'}", remedy)
    try:
        CronSim(cron, now)
    except CronSimError as error:
        field = str(error).removeprefix("Bad ").replace("day-of-", "day of ")
        raise ScheduleRefusedError(f"cron {shown!r}: its {field} cannot be used", remedy) from error
