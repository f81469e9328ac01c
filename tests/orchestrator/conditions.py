"""Waiting for what must come, without sleeping for a guessed time."""

import asyncio
from collections.abc import Awaitable, Callable


async def until(condition: Callable[[], Awaitable[bool]], description: str, seconds: float = 20.0) -> None:
    """Return when the condition holds; fail with the description when it does not come."""
    end = asyncio.get_running_loop().time() + seconds
    while not await condition():
        assert asyncio.get_running_loop().time() < end, f"waited {seconds} s in vain: {description}"
        await asyncio.sleep(0.01)
