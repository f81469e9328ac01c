"""The idempotency key of a tool call: the same again if the same part of a run makes the same call again.

A call whose result was not committed is made again by whoever goes on. With the key its receiver can tell that it is
the same one. Parts of a run nest: run, step, iteration, step of a sub-workflow.
"""

import hashlib
import json
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

Place = tuple[str, ...]
"""A part of a run, from the outside in; nothing outside of runs."""

_PLACE: ContextVar[Place] = ContextVar("place", default=())
_KEY: ContextVar[str | None] = ContextVar("key", default=None)


def current_place() -> Place:
    """The part of a run that this is."""
    return _PLACE.get()


@contextmanager
def at(place: Place) -> Generator[None]:
    """What is called inside is called by this part of a run."""
    before = _PLACE.set(place)
    try:
        yield
    finally:
        _PLACE.reset(before)


@contextmanager
def calling(tool: str, arguments: object) -> Generator[None]:
    """Inside is one call, which has a key if it belongs to a run."""
    place = current_place()
    call = json.dumps([place, tool, arguments], sort_keys=True, default=str)
    before = _KEY.set(hashlib.sha256(call.encode()).hexdigest() if place else None)
    try:
        yield
    finally:
        _KEY.reset(before)


def idempotency_key() -> str | None:
    """The key of the call that this is; None outside of runs."""
    return _KEY.get()
