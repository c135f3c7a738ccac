"""A provider that streams at a human pace: `python -m bursar.bench.paced PORT [anthropic]`. An event, then a pause."""

import asyncio
import sys
from typing import cast

import uvloop

from bursar.bench.bodies import EVENT_INTERVAL_S, message_events, stream_events

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


class Paced(asyncio.Protocol):
    """One connection. The request's body is counted off, not parsed."""

    def __init__(self, chunks: list[bytes]) -> None:
        self.chunks = chunks
        self.received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one, but doesn't inherit from it

    def data_received(self, data: bytes) -> None:
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            length = _content_length(bytes(self.received[:end]))
            if len(self.received) < end + 4 + length:
                return
            del self.received[: end + 4 + length]
            self.transport.write(HEAD)
            self._send(0)

    def _send(self, number: int) -> None:
        if self.transport.is_closing():
            return
        self.transport.write(self.chunks[number])
        if number + 1 < len(self.chunks):
            asyncio.get_running_loop().call_later(EVENT_INTERVAL_S, self._send, number + 1)


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line[15:])
    return 0


async def serve(port: int, events: list[bytes]) -> None:
    """Listen on loopback until stopped."""
    chunks = [b"%x\r\n%b\r\n" % (len(event), event) for event in events]
    chunks[-1] += b"0\r\n\r\n"
    server = await asyncio.get_running_loop().create_server(lambda: Paced(chunks), "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), message_events() if "anthropic" in sys.argv else stream_events()))
