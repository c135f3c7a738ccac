"""The caller's side of the connection: its body within bounds, its answer, and whether it is still there."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

import msgspec

from bursar.domain.errors import BodyTooLarge, ClientStalled
from bursar.gateway.heads import Head, Headers

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

DISCARD_BYTES_MAX = 64 * 1024 * 1024
DISCARD_S_MAX = 5.0


class ClientGone(Exception):
    """The client hung up before its request was whole."""


class Client(msgspec.Struct, eq=False):
    """One request and its answer, whatever server holds the connection."""

    head: Head
    stall_s: float  # how long `send` waits for a client that doesn't read
    started: bool = False  # an answer has begun
    gone: bool = False  # the client has hung up
    bytes_sent: int = 0  # of the answer's body
    content: bytes | None = None  # the whole request body, if it was there at once
    may_switch: bool = False  # it asked for a websocket, and the server can hand its connection over

    async def body(self, bytes_max: int) -> bytes:
        """The whole request body.

        Raises BodyTooLarge past the limit, ClientGone when it never came whole, ClientStalled when nothing more of it
        came for `stall_s`.
        """
        raise NotImplementedError

    async def reply(self, status: int, headers: Headers, body: bytes) -> None:
        """A whole answer in one go; `headers` hold its one `content-length`."""
        raise NotImplementedError

    async def start(self, status: int, headers: Headers) -> None:
        """The head of a streamed answer. It may wait for the first bytes, so that both leave in one write."""
        raise NotImplementedError

    async def send(self, chunk: bytes) -> None:
        """A piece of a streamed answer; waits while the client doesn't read, TimeoutError past `stall_s`."""
        raise NotImplementedError

    @property
    def takes_at_once(self) -> bool:
        """Whether `pass_on` may be called: the answer has begun, and the client is there and reads."""
        return False

    def pass_on(self, chunk: bytes) -> None:
        """As `send`, for a client that `takes_at_once`."""
        raise NotImplementedError

    async def end(self) -> None:
        """The end of a streamed answer."""
        raise NotImplementedError

    def switch(self, protocol: asyncio.Protocol, head: bytes) -> bool:
        """Answer with `head` and leave the connection to `protocol`, for a client that `may_switch`. False: it left."""
        raise NotImplementedError


class AsgiClient(Client, eq=False, kw_only=True):
    """The same over plain ASGI, for any other server than ours (`connection.py`).

    A client that hangs up in mid-answer goes unnoticed here until the answer has been sent.
    """

    receive: Receive
    transmit: Send

    async def body(self, bytes_max: int) -> bytes:
        parts = []
        size = 0
        more = True
        while more:
            try:
                async with asyncio.timeout(self.stall_s):
                    message = await self.receive()
            except TimeoutError as error:
                raise stalled(self.stall_s) from error
            if message["type"] == "http.disconnect":
                self.gone = True
                raise ClientGone
            part = message.get("body", b"")
            size += len(part)
            more = message.get("more_body", False)
            if size > bytes_max:
                if more:
                    await self._discard()
                raise too_large(bytes_max)
            parts.append(part)
        return b"".join(parts)

    async def _discard(self) -> None:
        """Read on without keeping anything, within bounds: a client that is still writing can't hear its refusal."""
        discarded = 0
        try:
            async with asyncio.timeout(DISCARD_S_MAX):
                more = True
                while more and discarded < DISCARD_BYTES_MAX:
                    message = await self.receive()
                    if message["type"] == "http.disconnect":
                        return
                    discarded += len(message["body"])
                    more = message.get("more_body", False)
        except TimeoutError:
            return

    async def reply(self, status: int, headers: Headers, body: bytes) -> None:
        self.started = True
        await self.transmit({"type": "http.response.start", "status": status, "headers": headers})
        await self.transmit({"type": "http.response.body", "body": body})
        self.bytes_sent += len(body)

    async def start(self, status: int, headers: Headers) -> None:
        self.started = True
        await self.transmit({"type": "http.response.start", "status": status, "headers": headers})

    async def send(self, chunk: bytes) -> None:
        message = {"type": "http.response.body", "body": chunk, "more_body": True}
        async with asyncio.timeout(self.stall_s):
            await self.transmit(message)
        self.bytes_sent += len(chunk)

    async def end(self) -> None:
        await self.transmit({"type": "http.response.body", "body": b""})


def with_length(headers: Iterable[tuple[bytes, bytes]], length: int) -> Headers:
    """Headers of a whole answer, its length added."""
    return [*headers, (b"content-length", b"%d" % length)]


def stalled(stall_s: float) -> ClientStalled:
    """The error for an upload that stands still."""
    return ClientStalled(
        f"nothing more of the request body came for {stall_s:g} s (gateway.client_stall_s)",
        field="body",
        headers={"connection": "close"},
    )


def too_large(bytes_max: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"the request body is larger than {bytes_max} bytes; send less, or raise gateway.body_bytes_max "
        "(of files and batches gateway.file_bytes_max)",
        field="body",
        headers={"connection": "close"},
    )
