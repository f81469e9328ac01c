"""What is wrong with Redis, in one sentence, and what to do about it."""

from redis.exceptions import BusyLoadingError, NoPermissionError, OutOfMemoryError, ReadOnlyError, RedisError

from orchestrator.errors import RedisUnavailableError

# the client has no error of its own for some of these, so that their text is looked at
_FAULTS: tuple[tuple[type[RedisError], tuple[str, ...], str, str], ...] = (
    (
        RedisError,
        ("username-password pair", "uthentica"),
        "it refuses the password",
        "correct the password in REDIS_URL",
    ),
    (
        OutOfMemoryError,
        (),
        "its memory is full",
        "raise its maxmemory, or make room: `ccoe gc` shows what may go; runs go on by themselves then",
    ),
    (ReadOnlyError, (), "it is a read-only replica", "let REDIS_URL name the primary, or make this one the primary"),
    (
        NoPermissionError,
        (),
        "its user may not do this",
        "allow it the commands that docs/operations.md names and the keys `ccoe:*`",
    ),
    (BusyLoadingError, (), "it is still reading its data", "wait until it has; see its log for how far it is"),
    (RedisError, ("MISCONF",), "it cannot write to its disk", "make room on its disk, and see its log"),
    (RedisError, ("max number of clients",), "it takes no more connections", "raise its maxclients"),
)


def unavailable(error: RedisError) -> RedisUnavailableError:
    """The error that stands for one of the client's."""
    reason = str(error) or type(error).__name__
    for kind, signs, sentence, remedy in _FAULTS:
        if isinstance(error, kind) and (not signs or any(sign in reason for sign in signs)):
            return RedisUnavailableError(f"{sentence} ({reason})", remedy)
    return RedisUnavailableError(reason)
