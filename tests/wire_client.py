"""A client that does exactly what a test says on the wire, bad manners included. Source: RFC 9112."""

import asyncio
import socket
import struct
from dataclasses import dataclass, field

LEAVE_NEVER = -1.0


@dataclass
class Answer:
    """What came back. `body` is without chunk framing; `whole`: it ended as its framing says."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    whole: bool = False
    raw: bytes = b""

    @property
    def call_id(self) -> str:
        return self.headers.get("x-bursar-call-id", "")


def request_bytes(path: str, body: bytes, headers: dict[str, str], method: str = "POST") -> bytes:
    """One request, `content-length` and all."""
    lines = [f"{method} {path} HTTP/1.1", "host: gateway", *(f"{name}: {value}" for name, value in headers.items())]
    lines.append(f"content-length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


async def exchange(
    port: int,
    request: bytes,
    *,
    leave_after_bytes: int | None = None,
    leave_after_s: float | None = None,
    timeout_s: float = 30.0,
) -> Answer:
    """Send bytes as they are and read one answer.

    leave_after_bytes: hang up (with a reset) as soon as so many bytes of the body came; 0: with the first byte.
    leave_after_s:     hang up after so long, whatever came.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
    answer = Answer()
    try:
        async with asyncio.timeout(timeout_s):
            writer.write(request)
            if leave_after_s is not None:
                await writer.drain()
                await asyncio.sleep(leave_after_s)
                _reset(writer)
                return answer
            try:
                await writer.drain()
                await _read(reader, answer, leave_after_bytes)
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            if leave_after_bytes is not None:
                _reset(writer)
    finally:
        writer.close()
    return answer


async def _read(reader: asyncio.StreamReader, answer: Answer, leave_after_bytes: int | None) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    answer.raw = head
    first, *lines = head.decode("latin-1").split("\r\n")
    answer.status = int(first.split()[1])
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            answer.headers[name.lower()] = value.strip()
    if leave_after_bytes == 0:
        return
    length = answer.headers.get("content-length")
    if length is not None:
        wanted = int(length) if leave_after_bytes is None else min(int(length), leave_after_bytes)
        while len(answer.body) < wanted:
            part = await reader.read(min(65536, wanted - len(answer.body)))
            if not part:
                return
            answer.body += part
        answer.whole = len(answer.body) == int(length)
        return
    while True:
        line = await reader.readuntil(b"\r\n")
        size = int(line.strip(), 16)
        part = await reader.readexactly(size + 2)
        if size == 0:
            answer.whole = True
            return
        answer.body += part[:-2]
        if leave_after_bytes is not None and len(answer.body) >= leave_after_bytes:
            return


def _reset(writer: asyncio.StreamWriter) -> None:
    """Hang up with a TCP reset, as a process that was killed or a phone that lost its network."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
