"""How a command ends when it is told to: Ctrl-C and SIGTERM unwind it in order."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

import typer

T = TypeVar("T")
_EXIT_TERMINATED = 128 + signal.SIGTERM


def run_to_end(command: Coroutine[Any, Any, T]) -> T:
    """asyncio.run, where SIGTERM cancels the command as Ctrl-C does. Exit codes are 143 and 130."""
    try:
        return asyncio.run(_until_terminated(command))
    except asyncio.CancelledError:
        raise typer.Exit(_EXIT_TERMINATED) from None


async def _until_terminated(command: Coroutine[Any, Any, T]) -> T:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await command
