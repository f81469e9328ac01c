"""When a schedule is due, where clocks are changed too."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.schedule_errors import ScheduleRefusedError
from orchestrator.timetable import Timetable

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BERLIN = "Europe/Berlin"


def local_times(cron: str, begin: str, count: int, zone: str = BERLIN) -> list[str]:
    """The first times behind a local one, with their offsets."""
    start = datetime.fromisoformat(begin).replace(tzinfo=ZoneInfo(zone))
    timetable = Timetable.check(cron, None, zone, start)
    return [f"{time.astimezone(ZoneInfo(zone)):%d %H:%M%z}" for time in islice(timetable.times(start), count)]


def test_a_cron_expression_is_read_in_its_zone() -> None:
    assert local_times("30 7 * * MON-FRI", "2026-01-02T08:00", 2) == ["05 07:30+0100", "06 07:30+0100"]
    summer = Timetable.check("0 12 * * *", None, BERLIN, NOW).after(datetime(2026, 7, 1, tzinfo=UTC))
    assert summer == datetime(2026, 7, 1, 10, tzinfo=UTC)


def test_a_fixed_time_that_does_not_exist_comes_right_behind_the_gap() -> None:
    """In Berlin 02:00 to 03:00 of 29 March 2026 are left out."""
    assert local_times("30 2 * * *", "2026-03-28T00:00", 3) == ["28 02:30+0100", "29 03:00+0200", "30 02:30+0200"]


def test_two_fixed_times_in_the_gap_come_once() -> None:
    assert local_times("0,30 2 * * *", "2026-03-29T00:00", 2) == ["29 03:00+0200", "30 02:00+0200"]


def test_a_fixed_time_that_exists_twice_comes_the_first_time() -> None:
    """In Berlin 02:00 to 03:00 of 25 October 2026 come twice."""
    assert local_times("30 2 * * *", "2026-10-24T12:00", 2) == ["25 02:30+0200", "26 02:30+0100"]


def test_the_second_of_two_equal_hours_does_not_bring_back_the_first() -> None:
    """A service that looks at 02:15 for the second time: 02:30 was due an hour and a half ago."""
    second = datetime(2026, 10, 25, 2, 15, tzinfo=ZoneInfo(BERLIN), fold=1)
    following = Timetable.check("30 2 * * *", None, BERLIN, NOW).after(second)
    assert following == datetime(2026, 10, 26, 2, 30, tzinfo=ZoneInfo(BERLIN))


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)])
def test_every_real_hour_counts(day: str, hours: int) -> None:
    start = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(BERLIN))
    end = start + timedelta(days=1)  # in local time
    times = Timetable.check("0 * * * *", None, BERLIN, NOW).times(start - timedelta(seconds=1))
    assert sum(1 for time in islice(times, 30) if time < end.astimezone(UTC)) == hours


@given(
    st.sampled_from(["*/7 * * * *", "30 2 * * *", "0,30 1,2,3 * * *", "15 */2 * * *", "0 0 * * SUN", "5 0 L * *"]),
    st.sampled_from([BERLIN, "America/Santiago", "Australia/Lord_Howe", "UTC", "Africa/Cairo", "America/New_York"]),
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)),
)
def test_times_follow_each_other_from_any_moment_on(cron: str, zone: str, moment: datetime) -> None:
    """And the next time does not depend on when in between one looks."""
    start = moment.replace(tzinfo=UTC)
    timetable = Timetable(cron=cron, timezone=zone)
    times = list(islice(timetable.times(start), 5))
    assert times == sorted(set(times))
    assert times[0] > start
    between = start + (times[0] - start) / 2
    assert timetable.after(between) == times[0]


def test_one_moment() -> None:
    at = datetime(2026, 5, 1, 12)
    timetable = Timetable.check(None, at, BERLIN, NOW)
    assert timetable.at == datetime(2026, 5, 1, 10, tzinfo=UTC)
    assert list(timetable.times(NOW)) == [timetable.at]
    with_offset = at.replace(tzinfo=UTC)
    assert Timetable.check(None, with_offset, BERLIN, NOW).at == with_offset


def test_a_moment_that_exists_twice_is_the_first_unless_it_has_an_offset() -> None:
    at = datetime(2026, 10, 25, 2, 30)
    assert Timetable.check(None, at, BERLIN, NOW).at == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "at", "zone", "reason", "remedy"),
    [
        ("61 * * * *", None, "UTC", "cron '61 * * * *': its minute cannot be used", "five fields"),
        ("0 0 * * MOO", None, "UTC", "its day of week cannot be used", "MON-FRI"),
        ("0 0 * *", None, "UTC", "has 4 fields", "minute, hour"),
        ("* * * * * *", None, "UTC", "has 6 fields", "minute, hour"),
        ("", None, "UTC", "has 0 fields", "minute, hour"),
        ("0 0 30 2 *", None, "UTC", "its day of month cannot be used", "five"),
        ("1," * 200, None, "UTC", "longer than 200 characters", "five"),
        ("0 0 * * *", None, "Europe/Berln", "no time zone 'Europe/Berln'", "Europe/Berlin"),
        ("0 0 * * *", None, "../etc/passwd", "no time zone '../etc/passwd'", "Europe/Berlin"),
        ("0 0 * * *", None, "Europe", "no time zone 'Europe'", "Europe/"),
        ("0 0 * * *", None, "", "no time zone ''", "Europe/Berlin"),
        (None, None, "UTC", "either `cron` or `at`", "one of the two"),
        ("0 0 * * *", datetime(2027, 1, 1), "UTC", "either `cron` or `at`", "one of the two"),
        (None, datetime(2025, 12, 31), "UTC", "2025-12-31 00:00:00 UTC is over", "to come"),
        (None, datetime(2026, 3, 29, 2, 30), BERLIN, "2026-03-29 02:30 does not exist in Europe/Berlin", "its offset"),
    ],
)
def test_what_cannot_be_used_is_named(
    cron: str | None, at: datetime | None, zone: str, reason: str, remedy: str
) -> None:
    with pytest.raises(ScheduleRefusedError) as refused:
        Timetable.check(cron, at, zone, NOW)
    assert reason in refused.value.message
    assert remedy in refused.value.remedy
