"""What a schedule is due for, and what becomes of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from orchestrator.run_request import RunRequest
from orchestrator.schedule import MAX_MISSED_RUNS, MissedRuns, Schedule, ScheduleChange, ScheduleRequest
from orchestrator.schedule_errors import ScheduleEndedError, ScheduleRefusedError

NOW = datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def a_schedule(**fields: Any) -> Schedule:
    """Due every minute."""
    timetable = {} if "at" in fields else {"cron": "* * * * *"}
    asked = {"name": "daily", "request": {"task": "how many?"}, **timetable, **fields}
    return Schedule.create(ScheduleRequest.model_validate(asked), "default", NOW)


def minutes(times: list[datetime]) -> list[int]:
    return [round((time - NOW.replace(second=0)) / MINUTE) for time in times]


@pytest.mark.parametrize("missed", MissedRuns)
def test_a_time_that_is_met_has_its_run_whatever_the_policy(missed: MissedRuns) -> None:
    schedule = a_schedule(missed=missed)
    assert schedule.due_times(NOW) == []
    assert minutes(schedule.due_times(NOW + timedelta(seconds=31))) == [1]


@pytest.mark.parametrize(
    ("missed", "due"), [(MissedRuns.SKIP, [10]), (MissedRuns.ONCE, [1]), (MissedRuns.ALL, [*range(1, 11)])]
)
def test_missed_times(missed: MissedRuns, due: list[int]) -> None:
    later = NOW + 10 * MINUTE
    schedule = a_schedule(missed=missed)
    times = schedule.due_times(later)
    assert minutes(times) == due
    after = schedule.attended(times[-1], later, "01a2", None)
    assert (after.next_due, after.last_run_id) == (NOW.replace(second=0) + 11 * MINUTE, "01a2")
    assert after.due_times(later) == []


def test_made_up_runs_are_bounded() -> None:
    times = a_schedule(missed="all").due_times(NOW + timedelta(days=3650))
    assert minutes(times) == [*range(1, MAX_MISSED_RUNS + 1)]


def test_a_single_time_that_was_missed() -> None:
    at = NOW + MINUTE
    for missed, due in (("skip", []), ("once", [at]), ("all", [at])):
        schedule = a_schedule(at=at, missed=missed)
        assert schedule.due_times(NOW + timedelta(hours=1)) == due
    over = a_schedule(at=at).attended(at, at, "01a2", None)
    assert (over.next_due, over.ended) == (None, at)
    with pytest.raises(ScheduleEndedError, match="is over"):
        over.paused()


def test_a_pause_is_not_made_up_for() -> None:
    paused = a_schedule(missed="all").paused()
    assert (paused.is_paused, paused.next_due) == (True, None)
    assert paused.due_times(NOW + 10 * MINUTE) == []
    resumed = paused.resumed(NOW + 10 * MINUTE)
    assert (resumed.is_paused, minutes(resumed.due_times(NOW + 11 * MINUTE))) == (False, [11])
    with pytest.raises(ScheduleEndedError):
        a_schedule(at=NOW + MINUTE).paused().resumed(NOW + 2 * MINUTE)


def test_a_change_while_it_is_attended_to_stays() -> None:
    later = NOW + MINUTE
    changed = a_schedule().changed(ScheduleChange(cron="0 0 1 1 *"), later)
    after = changed.attended(later, later, "01a2", None)
    assert (after.cron, after.next_due, after.last_run_id) == ("0 0 1 1 *", datetime(2027, 1, 1, tzinfo=UTC), "01a2")


def test_what_is_not_given_stays() -> None:
    schedule = a_schedule(missed="all")
    changed = schedule.changed(ScheduleChange(name="weekly"), NOW)
    assert changed == schedule.model_copy(update={"name": "weekly"})
    once = schedule.changed(ScheduleChange(at=NOW + MINUTE), NOW)
    assert (once.cron, once.at, once.next_due) == (None, NOW + MINUTE, NOW + MINUTE)
    assert once.changed(ScheduleChange(cron="0 0 * * *"), NOW).at is None
    assert schedule.paused().changed(ScheduleChange(timezone="Asia/Tokyo"), NOW).next_due is None


def test_another_time_begins_a_schedule_that_was_over_anew() -> None:
    over = a_schedule(at=NOW + MINUTE).attended(NOW + MINUTE, NOW + MINUTE, None, "x")
    again = over.changed(ScheduleChange(at=NOW + 5 * MINUTE), NOW + 2 * MINUTE)
    assert (again.ended, again.next_due) == (None, NOW + 5 * MINUTE)


@pytest.mark.parametrize(
    "change", [ScheduleChange(cron="x"), ScheduleChange(timezone="Mars/Base"), ScheduleChange(at=NOW)]
)
def test_a_change_that_cannot_be_used_is_refused(change: ScheduleChange) -> None:
    with pytest.raises(ScheduleRefusedError):
        a_schedule().changed(change, NOW)


def test_a_request_with_an_idempotency_key_would_be_one_run() -> None:
    with pytest.raises(ScheduleRefusedError, match="idempotency_key"):
        a_schedule(request={"task": "x", "idempotency_key": "k"})
    change = ScheduleChange(request=RunRequest(task="x", idempotency_key="k"))
    with pytest.raises(ScheduleRefusedError, match="idempotency_key"):
        a_schedule().changed(change, NOW)


def test_only_redis_sees_the_secret_and_what_was_asked_comes_back() -> None:
    schedule = a_schedule(request={"task": "x", "webhook": {"url": "https://example.org/", "secret": SECRET}})
    assert SECRET not in schedule.model_dump_json() + repr(schedule) + str(schedule.model_dump())
    assert SECRET in schedule.stored()
    kept = Schedule.model_validate_json(schedule.stored())
    assert kept == schedule
    assert a_schedule().model_dump(mode="json")["request"] == {"task": "how many?"}


def test_a_record_of_another_version_shows_no_secret() -> None:
    kept = a_schedule(request={"task": "x", "webhook": {"url": "https://example.org/", "secret": SECRET}}).stored()
    with pytest.raises(ValidationError, match=r"request\.webhook\.secret") as caught:
        Schedule.model_validate_json(kept.replace("whsec_", "v2_"))
    assert SECRET.removeprefix("whsec_") not in str(caught.value)
