"""The lines of the standard input, read on a thread of its own, so that runs go on and Ctrl-C ends the command."""

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

_NUM_BYTES = 65536


async def typed_lines(ask: Callable[[], None]) -> AsyncIterator[str]:
    """Each line without its end; `ask` is called whenever the next one is awaited."""
    loop, lines = asyncio.get_running_loop(), asyncio.Queue[str | None]()

    def put(line: str | None) -> None:
        # nobody listens when the command has ended meanwhile
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(lines.put_nowait, line)

    # a daemon that does not hold the lock of sys.stdin: a read that never returns does not keep the process alive
    threading.Thread(target=_read, args=(sys.stdin.fileno(), put), name="lines", daemon=True).start()
    while True:
        ask()
        line = await lines.get()
        if line is None:
            return
        yield line


def _read(file: int, put: Callable[[str | None], None]) -> None:
    rest = b""
    while data := os.read(file, _NUM_BYTES):
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            put(line.decode(errors="replace").rstrip("\r"))
    if rest:
        put(rest.decode(errors="replace"))
    put(None)
