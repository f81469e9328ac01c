"""What is asked of the engine's thread: functions that it runs between two steps."""

import asyncio
import queue
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from experts.errors import EngineClosed

Result = TypeVar("Result")


class Calls:
    """Functions in the order they were asked for, until it is closed."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self.is_closed = False

    def put(self, function: Callable[[], None]) -> None:
        """Have a function run; nothing happens once this is closed."""
        if not self.is_closed:
            self._queue.put(function)

    async def ask(self, function: Callable[[], Result]) -> Result:
        """What a function returns or raises on the engine's thread. Raises EngineClosed."""
        if self.is_closed:
            raise EngineClosed("the engine has stopped; start the service again")
        future: Future[Result] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return  # whoever asked has gone
            try:
                future.set_result(function())
            except BaseException as error:  # noqa: BLE001 - the caller gets it and handles it
                future.set_exception(error)

        self._queue.put(run)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Take no more; the thread gets None behind what was asked before."""
        if not self.is_closed:
            self.is_closed = True
            self._queue.put(None)

    @property
    def is_empty(self) -> bool:
        return self._queue.empty()

    def get(self) -> Callable[[], None] | None:
        """The next function, waited for; None: the thread ends."""
        return self._queue.get()
