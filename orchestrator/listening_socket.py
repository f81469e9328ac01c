"""The socket of the HTTP server, bound before anything slow begins."""

import ipaddress
import socket
from collections.abc import Generator
from contextlib import contextmanager

from orchestrator.errors import PortTakenError

_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@contextmanager
def listening_socket(host: str, port: int) -> Generator[socket.socket]:
    """A socket that listens; clients wait in its queue until somebody serves. Raises PortTakenError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns off Nagle's delay, 40 ms before an event, only for sockets that name TCP
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((host, port))
            bound.listen(128)
        except OSError as error:
            raise PortTakenError(host, port, error.strerror or str(error)) from error
        yield bound


def is_loopback(bound: socket.socket) -> bool:
    """Whether only this machine can reach the socket."""
    return ipaddress.ip_address(bound.getsockname()[0]).is_loopback


def url_of(bound: socket.socket) -> str:
    """Where a client on this machine finds the socket."""
    address: tuple[str, int] = bound.getsockname()[:2]
    host, port = _ANY_ADDRESS.get(address[0], address[0]), address[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
