"""What goes wrong in the service.

ServiceError
├── SettingsInvalidError       a setting has a value that cannot be used
├── RunRefusedError            the request cannot become a run
├── RunNotFoundError           no such run, or its time to live is over
├── RunEndedError              the run is terminal; nothing is added to it
├── ServiceStoppingError       no run is started any more
├── ExpertRefusedError         an expert cannot be pushed or popped
├── RedisUnavailableError      Redis cannot be reached, refuses us, or went away
│   └── ValkeyFailedError      the embedded Valkey did not start
├── DataDirectoryBusyError     another service owns the data directory
├── PortTakenError             the address is in use
├── ServeUnreachableError      the running service did not answer
├── NoServiceError             what is asked for is known to a running service only
└── NoGateError                no gate was trained
"""

from pathlib import Path
from typing import ClassVar


class ServiceError(Exception):
    """Base of the tree: a message, what to do about it, and the HTTP status that fits."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "service_error"

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class SettingsInvalidError(ServiceError):
    """A setting has a value that cannot be used."""

    type = "settings_invalid"

    def __init__(self, variable: str, reason: str) -> None:
        super().__init__(f"{variable} cannot be used: {reason}", f"correct or unset {variable}")
        self.variable = variable


class RunRefusedError(ServiceError):
    """The request cannot become a run."""

    status = 422
    type = "run_refused"


class RunNotFoundError(ServiceError):
    """No such run, or its time to live is over."""

    status = 404
    type = "run_not_found"

    def __init__(self, run_id: str) -> None:
        super().__init__(f"there is no run {run_id!r}", "list the runs that are kept: ccoe runs list, or GET /api/runs")
        self.run_id = run_id


class RunEndedError(ServiceError):
    """The run is terminal; nothing is added to it."""

    status = 409
    type = "run_ended"

    def __init__(self, run_id: str) -> None:
        super().__init__(f"run {run_id!r} has ended", "start another run")
        self.run_id = run_id


class ServiceStoppingError(ServiceError):
    """No run is started any more."""

    status = 503
    type = "service_stopping"

    def __init__(self) -> None:
        super().__init__("the service is stopping", "wait until it is there again")


class ExpertRefusedError(ServiceError):
    """An expert cannot be pushed or popped."""

    status = 409
    type = "expert_refused"


class RedisUnavailableError(ServiceError):
    """Redis cannot be reached, refuses us, or went away."""

    status = 503
    type = "redis_unavailable"

    def __init__(self, reason: str, remedy: str = "check that Redis runs and that REDIS_URL is right") -> None:
        super().__init__(f"Redis is not available: {reason}", remedy)


class ValkeyFailedError(RedisUnavailableError):
    """The embedded Valkey did not start."""

    type = "valkey_failed"

    def __init__(self, reason: str, log: Path, tail: str) -> None:
        shown = f"\n{tail}" if tail else ""
        super().__init__(f"the embedded Valkey {reason}{shown}", f"see {log}, or set REDIS_URL to a Redis of your own")
        self.log = log


class DataDirectoryBusyError(ServiceError):
    """Another service owns the data directory."""

    status = 409
    type = "data_directory_busy"

    def __init__(self, data_dir: Path, pid: int | None, url: str | None) -> None:
        owner = f"process {pid} at {url}" if pid else "another process"
        super().__init__(
            f"the data directory {str(data_dir)!r} is in use by {owner}",
            "use that one, stop it, or set CCOE_DATA_DIR to another directory",
        )
        self.pid = pid
        self.url = url


class PortTakenError(ServiceError):
    """The address is in use."""

    type = "port_taken"

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(
            f"cannot listen on {host}:{port}: {reason}", "choose another with --host and --port (0 takes any free port)"
        )
        self.port = port


class ServeUnreachableError(ServiceError):
    """The running service did not answer."""

    status = 502
    type = "serve_unreachable"

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"the service at {url} did not answer: {reason}", "look at it, or stop it and ask again")
        self.url = url


class NoServiceError(ServiceError):
    """What is asked for is known to a running service only."""

    type = "no_service"

    def __init__(self, data_dir: Path) -> None:
        super().__init__(f"no service runs on the data directory {str(data_dir)!r}", "start one: ccoe serve")
        self.data_dir = data_dir


class NoGateError(ServiceError):
    """No gate was trained."""

    type = "no_gate"

    def __init__(self, experts_dir: Path) -> None:
        super().__init__(f"no gate is stored in {str(experts_dir)!r}", "train one: ccoe gate train")
