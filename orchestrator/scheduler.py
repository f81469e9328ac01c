"""Makes the runs of schedules that are due.

    due ─▶ claimed for a minute ─▶ a run for each time ─▶ next_due is the next time to come
                                   idempotency key: schedule and time

Of several services one claims a schedule. If it dies before the last arrow the schedule is claimed again, and the same
keys give the same runs.
"""

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime

from orchestrator.agenda import Clock, readable, utc_now
from orchestrator.errors import RedisUnavailableError, RunNotFoundError, RunUnreadableError, ServiceStoppingError
from orchestrator.failure import KNOWN_ERRORS, failure_of
from orchestrator.run import Run
from orchestrator.run_request import RunRequest
from orchestrator.run_store import RunStore
from orchestrator.schedule import Overlap, Schedule
from orchestrator.schedule_errors import ScheduleNotFoundError
from orchestrator.schedule_store import ScheduleStore

Start = Callable[[RunRequest], Awaitable[Run]]
"""Makes a run of a request, once for each idempotency key."""

_LOG = logging.getLogger(__name__)


class Scheduler:
    """Attends to what is due in the store of schedules."""

    def __init__(self, schedules: ScheduleStore, runs: RunStore, start: Start, clock: Clock = utc_now) -> None:
        self._schedules = schedules
        self._runs = runs
        self._start = start
        self._clock = clock

    async def attend(self, id: str, record: str) -> None:
        """Start the runs that are due. Raises RedisUnavailableError, ServiceStoppingError."""
        schedule = readable(Schedule, record)
        if schedule is None:
            return
        if schedule.ended:
            await self._schedules.agenda.replace(id, record, None)
            return
        now = self._clock()
        due, run_id, error = schedule.next_due or now, schedule.last_run_id, "it was missed: no service was there"
        for due in schedule.due_times(now):
            run_id, error = await self._run(schedule, due, run_id)
        try:
            await self._schedules.change(id, lambda kept: kept.attended(due, now, run_id, error))
        except ScheduleNotFoundError:
            _LOG.info("schedule %s was deleted while it was due", id)

    async def run_now(self, schedule_id: str) -> Run:
        """Start a run beside the timetable. Raises ScheduleNotFoundError and what a request raises."""
        schedule = await self._schedules.get(schedule_id)
        run = await self._start(schedule.request)
        await self._schedules.change(schedule_id, lambda kept: kept.model_copy(update={"last_run_id": run.id}))
        return run

    async def _run(self, schedule: Schedule, due: datetime, last_run_id: str | None) -> tuple[str | None, str | None]:
        """The schedule's last run behind this time, and why there is none for it."""
        if schedule.overlap is Overlap.SKIP and last_run_id and await self._goes_on(last_run_id):
            return last_run_id, f"run {last_run_id} had not ended"
        key = f"schedule:{schedule.id}:{due.isoformat()}"
        try:
            run = await self._start(schedule.request.model_copy(update={"idempotency_key": key}))
        except (RedisUnavailableError, ServiceStoppingError):
            raise
        except KNOWN_ERRORS as error:
            _LOG.warning("schedule %s, due %s, has no run: %s", schedule.id, due.isoformat(), error)
            return last_run_id, failure_of(error).message
        return run.id, None

    async def _goes_on(self, run_id: str) -> bool:
        try:
            return not (await self._runs.get(run_id)).status.is_terminal
        except (RunNotFoundError, RunUnreadableError):
            return False
