"""uvicorn on a socket of ours: a signal first ends the runs, then the connections."""

import asyncio
import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager

import uvicorn

from orchestrator.api.app import create_app
from orchestrator.auth import Auth
from orchestrator.service import Service

_GRACE_SECONDS = 5
_STOPPING = (signal.SIGINT, signal.SIGTERM)


class HttpServer(uvicorn.Server):
    """Serves a service until a signal comes."""

    def __init__(self, service: Service, auth: Auth) -> None:
        self._service = service
        app = create_app(service, auth)
        super().__init__(
            uvicorn.Config(app, lifespan="off", log_level="warning", timeout_graceful_shutdown=_GRACE_SECONDS)
        )

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """The loop's handlers: uvicorn's own raise the signal again, before Redis is released."""
        loop = asyncio.get_running_loop()
        for number in _STOPPING:
            loop.add_signal_handler(number, self.stop)
        try:
            yield
        finally:
            for number in _STOPPING:
                loop.remove_signal_handler(number)

    def stop(self) -> None:
        """End gracefully; at once if asked twice."""
        self.force_exit = self.should_exit
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """The runs end first, so that whoever follows one sees its end."""
        await self._service.stop_runs()
        await super().shutdown(sockets)
