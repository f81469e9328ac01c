"""A receiver of webhooks on a port of its own: keeps what comes, and answers as it is told to."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Message:
    """What was posted."""

    path: str
    headers: dict[str, str]
    body: str


@dataclass(slots=True)
class Receiver:
    """Answers the statuses one after the other, then 204; a status of 0 is no answer at all."""

    port: int = 0
    statuses: list[int] = field(default_factory=list[int])
    extra: str = ""
    """More headers of the answers."""
    messages: list[Message] = field(default_factory=list[Message])
    came: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = (await reader.readexactly(int(headers["content-length"]))).decode()
        self.messages.append(Message(first, headers, body))
        self.came.set()
        status = self.statuses.pop(0) if self.statuses else 204
        if status:
            writer.write(
                f"HTTP/1.1 {status} Said\r\n{self.extra}Content-Length: 0\r\nConnection: close\r\n\r\n".encode()
            )
        else:
            await reader.read()  # until the sender has enough
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def receiving() -> AsyncGenerator[Receiver]:
    """A receiver that listens."""
    receiver = Receiver()
    async with await asyncio.start_server(receiver.serve, "127.0.0.1", 0) as server:
        receiver.port = server.sockets[0].getsockname()[1]
        yield receiver
