"""What goes wrong in the service.

ServiceError
├── SettingsInvalidError       a setting has a value that cannot be used
│   └── ToolsFileError         the tools file has a field that cannot be used
├── RunRefusedError            the request cannot become a run
├── RunNotFoundError           no such run, or its time to live is over
├── RunEndedError              the run is terminal; nothing is added to it
├── RunUnreadableError         a record that this version cannot read
├── LeaseLostError             another worker has taken the run over
├── RunNotResumableError       the run goes on, or has succeeded
├── ServiceStoppingError       no run is started any more
├── ExpertRefusedError         an expert cannot be pushed or popped
├── CheckpointRefusedError     a value that a checkpoint may not hold
├── CheckpointSchemaError      a thread that another version has written
├── AsyncOnlyError             a method that would block the event loop
├── RedisUnavailableError      Redis cannot be reached, refuses us, or went away
│   └── ValkeyFailedError      the embedded Valkey did not start
├── DataDirectoryBusyError     another service owns the data directory
├── PortTakenError             the address is in use
├── IndexFailedError           a folder cannot be indexed
├── ToolServerError            an MCP server does not answer
├── ToolUnknownError           no tool of this name is configured
├── ServeUnreachableError      the running service did not answer
├── NoGateError                no gate was trained
└── …                          of keys, answers, threads, schedules, webhooks: orchestrator/key_errors.py and others
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


class ToolsFileError(SettingsInvalidError):
    """The tools file has a field that cannot be used, or is none."""

    type = "tools_file_invalid"

    def __init__(self, path: Path, field: str, reason: str) -> None:
        super().__init__("CCOE_TOOLS", f"{str(path)!r}: {field}: {reason}" if field else f"{str(path)!r}: {reason}")
        self.path = path
        self.field = field


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


class RunUnreadableError(ServiceError):
    """A record that this version cannot read."""

    type = "run_unreadable"

    def __init__(self, run_id: str, reason: str) -> None:
        super().__init__(
            f"the record of run {run_id!r} cannot be read: {reason}", "read it with the version that has written it"
        )
        self.run_id = run_id


class LeaseLostError(ServiceError):
    """Another worker has taken the run over; what this one writes comes too late."""

    status = 409
    type = "lease_lost"

    def __init__(self, run_id: str, fence: int) -> None:
        super().__init__(
            f"claim {fence} of run {run_id!r} is over: another worker has taken it", "leave the run to that worker"
        )
        self.run_id = run_id
        self.fence = fence


class RunNotResumableError(ServiceError):
    """The run goes on, or has succeeded."""

    status = 409
    type = "run_not_resumable"

    def __init__(self, run_id: str, run_status: str) -> None:
        remedy = (
            f"answer it: ccoe runs show {run_id}" if run_status == "interrupted" else "start another run, or fork it"
        )
        super().__init__(f"run {run_id!r} is {run_status}; there is nothing to resume", remedy)
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


class CheckpointRefusedError(ServiceError):
    """A value that a checkpoint may not hold."""

    type = "checkpoint_refused"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"a checkpoint cannot hold this: {reason}",
            "keep plain data and the state's own classes in the graph's state (graphs/state.py lists them)",
        )


class CheckpointSchemaError(ServiceError):
    """A thread that another version has written."""

    status = 409
    type = "checkpoint_schema"

    def __init__(self, thread_id: str, found: str, known: str) -> None:
        super().__init__(
            f"thread {thread_id!r} has checkpoints of schema {found}; this version reads schema {known}",
            "read it with the version that wrote it, or delete the thread",
        )
        self.thread_id = thread_id
        self.found = found


class AsyncOnlyError(ServiceError):
    """A method that would block the event loop."""

    type = "async_only"

    def __init__(self, method: str) -> None:
        super().__init__(f"{method} would block the event loop and is not there", f"await a{method}")
        self.method = method


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


class IndexFailedError(ServiceError):
    """A folder cannot be indexed."""

    type = "index_failed"

    def __init__(self, path: Path, reason: str, remedy: str) -> None:
        super().__init__(f"{str(path)!r}: {reason}", remedy)
        self.path = path


class ToolServerError(ServiceError):
    """An MCP server does not answer, or gives no usable tools."""

    type = "tool_server_failed"

    def __init__(self, server: str, reason: str) -> None:
        super().__init__(reason, f"correct mcp.{server} in the tools file, or mark it as optional")
        self.server = server


class ToolUnknownError(ServiceError):
    """No tool of this name is configured."""

    status = 404
    type = "tool_unknown"

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no tool {name!r}", "see which there are: ccoe tools list, or GET /api/tools")
        self.name = name


class ServeUnreachableError(ServiceError):
    """The running service did not answer."""

    status = 502
    type = "serve_unreachable"

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"the service at {url} did not answer: {reason}", "look at it, or stop it and ask again")
        self.url = url


class NoGateError(ServiceError):
    """No gate was trained."""

    type = "no_gate"

    def __init__(self, experts_dir: Path) -> None:
        super().__init__(f"no gate is stored in {str(experts_dir)!r}", "train one: ccoe gate train")
        self.experts_dir = experts_dir
