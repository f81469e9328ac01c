"""Looks at what is due in an agenda, several records at once."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

from orchestrator.agenda import Agenda, Clock, utc_now
from orchestrator.errors import RedisUnavailableError, ServiceStoppingError

Attend = Callable[[str, str], Awaitable[None]]
"""What is done about an id and its record; it replaces the record, or the lease ends and it is due again."""

LEASE = timedelta(seconds=60)
_LOOK_SECONDS = 0.5
_PAUSE_SECONDS = 1.0
_LOG = logging.getLogger(__name__)


class AgendaWorker:
    """Claims what is due and attends to it. Several services may do so on one agenda."""

    def __init__(self, agenda: Agenda, attend: Attend, *, max_at_once: int, clock: Clock = utc_now) -> None:
        self._agenda = agenda
        self._attend = attend
        self._max_at_once = max_at_once
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()

    async def work(self) -> None:
        """Until it is cancelled; what is then unfinished is left to who claims it next."""
        try:
            while True:
                try:
                    has_begun = await self.look()
                except RedisUnavailableError as error:
                    _LOG.warning("nothing that is due is looked at: %s", error)
                    await asyncio.sleep(_PAUSE_SECONDS)
                    continue
                if len(self._tasks) == self._max_at_once:
                    await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
                elif not has_begun:
                    await asyncio.sleep(_LOOK_SECONDS)
        finally:
            for task in self._tasks:
                task.cancel()
            await self.settle()

    async def look(self) -> bool:
        """Begin what is due now, as far as there is room. Returns whether something was."""
        now = self._clock()
        claimed = await self._agenda.claim(now, now + LEASE, self._max_at_once - len(self._tasks))
        for id, record in claimed:
            task = asyncio.create_task(self._attend_to(id, record))
            self._tasks.add(task)
            task.add_done_callback(self._ended)
        return bool(claimed)

    async def settle(self) -> None:
        """Return when all that was begun has ended."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _attend_to(self, id: str, record: str) -> None:
        try:
            await self._attend(id, record)
        except (RedisUnavailableError, ServiceStoppingError) as error:
            _LOG.warning("%s is looked at again within %d s: %s", id, LEASE.total_seconds(), error)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _LOG.error("a fault of the program; the record is looked at again", exc_info=error)
