"""The schedules in Redis. They stay until they are deleted; one whose only time is over goes with its run."""

from collections.abc import Callable
from datetime import timedelta

from redis.asyncio import Redis

from orchestrator.agenda import Agenda, readable
from orchestrator.keys import Keys
from orchestrator.schedule import Schedule
from orchestrator.schedule_errors import ScheduleNotFoundError


class ScheduleStore:
    """The schedules of one tenant. All methods raise RedisUnavailableError."""

    def __init__(self, redis: Redis, keys: Keys, run_ttl_seconds: int) -> None:
        self.tenant = keys.tenant
        self.agenda = Agenda(redis, keys.schedules)
        self._kept = timedelta(seconds=run_ttl_seconds)

    async def add(self, schedule: Schedule) -> None:
        """Keep a new schedule."""
        await self.agenda.add(schedule.id, schedule.stored(), schedule.next_due)

    async def get(self, schedule_id: str) -> Schedule:
        """Raises ScheduleNotFoundError."""
        return Schedule.model_validate_json(await self._record(schedule_id))

    async def list(self) -> list[Schedule]:
        """All schedules, by time of creation. What another version has written is left out."""
        found = [schedule for record in await self.agenda.all() if (schedule := readable(Schedule, record))]
        return sorted(found, key=lambda schedule: schedule.created)

    async def change(self, schedule_id: str, changed: Callable[[Schedule], Schedule]) -> Schedule:
        """Change a schedule as it is now; what others change stays. Raises ScheduleNotFoundError."""
        while True:
            record = await self._record(schedule_id)
            schedule = changed(Schedule.model_validate_json(record))
            look_at = schedule.ended + self._kept if schedule.ended else schedule.next_due
            if await self.agenda.replace(schedule_id, record, schedule.stored(), look_at):
                return schedule

    async def delete(self, schedule_id: str) -> Schedule:
        """Remove a schedule; its runs go on. Raises ScheduleNotFoundError."""
        while True:
            record = await self._record(schedule_id)
            if await self.agenda.replace(schedule_id, record, None):
                return Schedule.model_validate_json(record)

    async def _record(self, schedule_id: str) -> str:
        record = await self.agenda.get(schedule_id)
        if record is None:
            raise ScheduleNotFoundError(schedule_id)
        return record
