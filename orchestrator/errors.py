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
├── KeyRequiredError           the request has no key and needs one
│   └── KeyInvalidError        its key is unknown or revoked
├── ScopeMissingError          its key is not made for this
├── KeyNameTakenError          there is a key of this name
├── KeyNotFoundError           no key has this name
└── UnprotectedError           other machines could reach the service, and nobody has a key
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


class KeyRequiredError(ServiceError):
    """The request has no key and needs one."""

    status = 401
    type = "key_required"

    def __init__(self, message: str = "this needs a key") -> None:
        super().__init__(message, "send `Authorization: Bearer KEY`; on the service's machine: ccoe keys create NAME")


class KeyInvalidError(KeyRequiredError):
    """The request's key is unknown or revoked."""

    type = "key_invalid"

    def __init__(self) -> None:
        super().__init__("the key is unknown or revoked")


class ScopeMissingError(ServiceError):
    """The request's key is not made for this."""

    status = 403
    type = "scope_missing"

    def __init__(self, name: str, scope: str) -> None:
        super().__init__(
            f"the key {name!r} has not the scope {scope}", f"make one that has: ccoe keys create NAME --scope {scope}"
        )
        self.name = name
        self.scope = scope


class KeyNameTakenError(ServiceError):
    """There is a key of this name."""

    status = 409
    type = "key_name_taken"

    def __init__(self, name: str) -> None:
        super().__init__(f"there is a key {name!r}", f"choose another name, or end that one: ccoe keys revoke {name}")
        self.name = name


class KeyNotFoundError(ServiceError):
    """No key has this name."""

    status = 404
    type = "key_not_found"

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no key {name!r}", "see ccoe keys list")
        self.name = name


class UnprotectedError(ServiceError):
    """Other machines could reach the service, and nobody has a key."""

    type = "unprotected"

    def __init__(self, host: str) -> None:
        super().__init__(
            f"other machines can reach {host}, and there is no key yet",
            "make one: ccoe keys create NAME; or listen on 127.0.0.1; CCOE_REQUIRE_KEY=none leaves it to a proxy",
        )
        self.host = host
