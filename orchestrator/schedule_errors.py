"""Errors about schedules.

ServiceError                   orchestrator/errors.py
├── ScheduleRefusedError       a field that cannot be used
├── ScheduleNotFoundError      no such schedule
└── ScheduleEndedError         its one time is over
"""

from orchestrator.errors import ServiceError


class ScheduleRefusedError(ServiceError):
    """A schedule has a field that cannot be used."""

    status = 422
    type = "schedule_refused"


class ScheduleNotFoundError(ServiceError):
    """No such schedule."""

    status = 404
    type = "schedule_not_found"

    def __init__(self, schedule: str) -> None:
        super().__init__(f"there is no schedule {schedule!r}", "list them: ccoe schedules list, or GET /api/schedules")
        self.schedule = schedule


class ScheduleEndedError(ServiceError):
    """The one time of a schedule is over."""

    status = 409
    type = "schedule_ended"

    def __init__(self, schedule_id: str) -> None:
        super().__init__(f"the time of schedule {schedule_id!r} is over", "give it another `at`, or run it now: …/run")
        self.schedule_id = schedule_id
