"""What the engine's thread tells those who await a sequence in an event loop."""

import asyncio
from collections.abc import Callable

from experts.engine.engine import Output

Mailbox = asyncio.Queue[Output | BaseException]
"""The outputs of the sequences of one prompt, or the error that ended them."""

Put = Callable[[Output | BaseException], None]
"""Takes a sequence's outputs to whoever awaits them."""


def put_from_thread(loop: asyncio.AbstractEventLoop, mailbox: Mailbox, output: Output | BaseException) -> None:
    """Put an output from another thread; whoever's loop is closed awaits nothing."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(mailbox.put_nowait, output)
