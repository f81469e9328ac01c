"""The port is taken before anything slow begins."""

import asyncio
import socket

import pytest

from orchestrator.errors import PortTakenError
from orchestrator.listening_socket import listening_socket, url_of


def test_any_free_port() -> None:
    with listening_socket("127.0.0.1", 0) as bound:
        assert url_of(bound) == f"http://127.0.0.1:{bound.getsockname()[1]}"


def test_every_address_is_reached_by_the_local_one() -> None:
    with listening_socket("0.0.0.0", 0) as bound:
        assert url_of(bound).startswith("http://127.0.0.1:")


async def test_what_is_sent_does_not_wait_for_more() -> None:
    accepted = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    with listening_socket("127.0.0.1", 0) as bound:
        async with await asyncio.start_server(serve, sock=bound):
            _, writer = await asyncio.open_connection(*bound.getsockname())
            assert await accepted
            writer.close()
            await writer.wait_closed()


def test_a_taken_port_and_an_address_of_somebody_else() -> None:
    with listening_socket("127.0.0.1", 0) as bound:
        port = bound.getsockname()[1]
        with pytest.raises(PortTakenError, match=f"127.0.0.1:{port}") as caught, listening_socket("127.0.0.1", port):
            pass
        assert "--port" in caught.value.remedy
    with pytest.raises(PortTakenError), listening_socket("192.0.2.1", 0):
        pass
