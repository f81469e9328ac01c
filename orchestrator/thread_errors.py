"""What goes wrong with threads.

ServiceError
├── ThreadNotFoundError    no such thread, or its time to live is over
├── ThreadExistsError      the id is taken
├── ThreadBusyError        another run of the thread is open
└── ThreadRefusedError     the id or the metadata cannot be used
"""

from orchestrator.errors import ServiceError


class ThreadNotFoundError(ServiceError):
    """No such thread, or its time to live is over."""

    status = 404
    type = "thread_not_found"

    def __init__(self, thread_id: str) -> None:
        super().__init__(
            f"there is no thread {thread_id!r}", "list those that are kept: ccoe threads list, or GET /api/threads"
        )
        self.thread_id = thread_id


class ThreadExistsError(ServiceError):
    """The id is taken."""

    status = 409
    type = "thread_exists"

    def __init__(self, thread_id: str) -> None:
        super().__init__(f"there is a thread {thread_id!r} already", "use it, or choose another id")
        self.thread_id = thread_id


class ThreadBusyError(ServiceError):
    """Another run of the thread is open."""

    status = 409
    type = "thread_busy"

    def __init__(self, thread_id: str) -> None:
        super().__init__(
            f"a run of thread {thread_id!r} is open", "wait until it has ended, cancel it, or send if_busy: enqueue"
        )
        self.thread_id = thread_id


class ThreadRefusedError(ServiceError):
    """The id or the metadata cannot be used."""

    status = 422
    type = "thread_refused"
