"""A plain websocket client for tests: it can send any frame, cut in any way, and says what came."""

import asyncio
import base64
import contextlib
import os
import socket as socketlib
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN, Protocol, Side

PATIENCE_S = 40.0


@dataclass
class Socket:
    """One connection. status: of the answer to the upgrade; body: of a refusal. close: code and reason that came."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    close: tuple[int, str] | None = None
    is_over: bool = False
    events: list[dict[str, Any]] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.protocol = Protocol(Side.CLIENT, state=OPEN, max_size=None)
        self._text = b""
        self._unread: list[dict[str, Any]] = []

    async def say(self, **event: Any) -> None:
        await self.send(msgspec.json.encode(event))

    async def send(self, text: bytes, pieces: int = 1) -> None:
        """A message, in so many frames."""
        step = max(1, -(-len(text) // pieces))
        parts = [text[at : at + step] for at in range(0, len(text), step)] or [b""]
        for number, part in enumerate(parts):
            if number == 0:
                self.protocol.send_text(part, len(parts) == 1)
            else:
                self.protocol.send_continuation(part, number == len(parts) - 1)
        await self.flush()

    async def flush(self) -> None:
        for data in self.protocol.data_to_send():
            if data:
                self.writer.write(data)
        with contextlib.suppress(ConnectionError):
            await self.writer.drain()

    async def hear(self) -> dict[str, Any] | None:
        """The next event; None when the connection is over."""
        while not self._unread:
            if self.is_over:
                return None
            try:
                data = await asyncio.wait_for(self.reader.read(65536), PATIENCE_S)
            except ConnectionError:
                data = b""
            if not data:
                self.is_over = True
                return None
            self.protocol.receive_data(data)
            for event in self.protocol.events_received():
                self._take(cast(Frame, event))
            await self.flush()
        event = self._unread.pop(0)
        self.events.append(event)
        return event

    async def until(self, kind: str) -> dict[str, Any]:
        """The next event of a kind."""
        while (event := await self.hear()) is not None:
            if event["type"] == kind:
                return event
        seen = [one["type"] for one in self.events]
        raise AssertionError(f"no {kind}; closed with {self.close}; heard {seen}")

    async def drain(self) -> None:
        """All there is, to the end."""
        while await self.hear() is not None:
            pass

    async def goodbye(self, code: int = 1000, reason: str = "") -> None:
        self.protocol.send_close(code, reason)
        await self.flush()
        await self.drain()
        self.hang_up()

    def hang_up(self) -> None:
        self.writer.close()

    def _take(self, frame: Frame) -> None:
        self.frames.append(frame)
        if frame.opcode in (Opcode.TEXT, Opcode.CONT):
            self._text += frame.data
            if frame.fin:
                self._unread.append(msgspec.json.decode(self._text))
                self._text = b""
        elif frame.opcode is Opcode.CLOSE and (said := self.protocol.close_rcvd) is not None:
            self.close = (said.code, said.reason)


async def connect(
    port: int,
    path: str = "/v1/realtime?model=gpt-realtime",
    headers: dict[str, str] | None = None,
    *,
    key: str = "sk-own",
    pieces: int = 1,
    buffer_bytes: int = 1 << 20,
    behind: bytes = b"",
) -> Socket:
    """Ask for a websocket. pieces: the bytes of the request are sent in so many writes. buffer_bytes: to read ahead.

    behind: bytes that are sent with the request, before its answer came.
    """
    raw = socketlib.socket()
    raw.setsockopt(socketlib.SOL_SOCKET, socketlib.SO_RCVBUF, buffer_bytes)
    raw.connect(("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=raw, limit=buffer_bytes)
    fields = {
        "host": f"127.0.0.1:{port}",
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec-websocket-version": "13",
        "sec-websocket-key": base64.b64encode(os.urandom(16)).decode(),
        **({"authorization": f"Bearer {key}"} if key else {}),
        **(headers or {}),
    }
    head = f"GET {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items()) + "\r\n"
    data = head.encode() + behind
    step = -(-len(data) // pieces)
    for at in range(0, len(data), step):
        writer.write(data[at : at + step])
        await writer.drain()
        if pieces > 1:
            await asyncio.sleep(0)
    socket = Socket(reader, writer)
    told = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)).decode("latin-1").split("\r\n")
    socket.status = int(told[0].split()[1])
    socket.headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in told[1:] if line)
    }
    if socket.status != 101:
        socket.body = await asyncio.wait_for(reader.read(), PATIENCE_S)
        writer.close()
    return socket


def sound(seconds: float, level: int = 1) -> str:
    """PCM in base64: speech is any level but 0."""
    return base64.b64encode(bytes([level]) * int(seconds * 48_000)).decode()
