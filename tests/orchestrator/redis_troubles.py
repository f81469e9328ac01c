"""A server of a test's own, and what may happen to it. Each trouble is over at the end of its context."""

import asyncio
import signal
import subprocess
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path

from redis.asyncio import Redis

from orchestrator.embedded_valkey import server_binary
from tests.orchestrator.conftest import wait_for_socket

PAUSE_SECONDS = 8.0


class TroubledServer:
    """A Valkey that keeps every write."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "valkey.sock"
        options = ("--port", "0", "--unixsocket", str(self.socket), "--dir", str(folder), "--save", "")
        self._command = [str(server_binary()), *options, "--appendonly", "yes", "--appendfsync", "always"]
        self.start()

    def start(self) -> None:
        self.socket.unlink(missing_ok=True)
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        wait_for_socket(self.socket)

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)
        if number is signal.SIGKILL:
            self._process.wait()

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def admin(self) -> Redis:
        return Redis(unix_socket_path=str(self.socket), password=None)


Trouble = Callable[[TroubledServer], AbstractAsyncContextManager[None]]


@contextmanager
def troubled_server(folder: Path) -> Generator[TroubledServer]:
    server = TroubledServer(folder)
    try:
        yield server
    finally:
        server.stop()


@asynccontextmanager
async def restart(server: TroubledServer) -> AsyncGenerator[None]:
    server.signal(signal.SIGKILL)
    yield
    server.start()


@asynccontextmanager
async def standstill(server: TroubledServer) -> AsyncGenerator[None]:
    server.signal(signal.SIGSTOP)
    try:
        yield
        await asyncio.sleep(PAUSE_SECONDS)  # the trouble
    finally:
        server.signal(signal.SIGCONT)


@asynccontextmanager
async def pause(server: TroubledServer) -> AsyncGenerator[None]:
    async with server.admin() as admin:
        await admin.execute_command("CLIENT", "PAUSE", int(PAUSE_SECONDS * 1000), "ALL")
    yield


@asynccontextmanager
async def lost_connections(server: TroubledServer) -> AsyncGenerator[None]:
    """All are cut, and nobody comes through."""
    hidden = server.socket.with_suffix(".hidden")
    async with server.admin() as admin:
        await admin.ping()
        server.socket.rename(hidden)
        await admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        yield
        hidden.rename(server.socket)


@asynccontextmanager
async def full_memory(server: TroubledServer) -> AsyncGenerator[None]:
    async with server.admin() as admin:
        await admin.config_set("maxmemory", "1")
        yield
        await admin.config_set("maxmemory", "0")


@asynccontextmanager
async def read_only_replica(server: TroubledServer) -> AsyncGenerator[None]:
    async with server.admin() as admin:
        await admin.execute_command("REPLICAOF", "127.0.0.1", "1")
        yield
        await admin.execute_command("REPLICAOF", "NO", "ONE")


@asynccontextmanager
async def wrong_password(server: TroubledServer) -> AsyncGenerator[None]:
    async with server.admin() as admin:
        await admin.config_set("requirepass", "another")
        await admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        yield
        await admin.config_set("requirepass", "")
