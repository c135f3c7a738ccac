"""A small HTTP/1.1 server on asyncio and httptools, which can also misbehave on purpose.

A framework would mend what a test wants broken: here an answer can be cut, reset or carry a wrong length. One request
at a time per connection; a pipelined one waits its turn.
"""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, cast

import httptools
import msgspec

BODY_BYTES_MAX = 64 * 1024 * 1024
WRITE_BUFFER_BYTES = 256 * 1024
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, zero seconds: close() sends RST

REASONS = {
    100: b"Continue",
    200: b"OK",
    400: b"Bad Request",
    401: b"Unauthorized",
    403: b"Forbidden",
    404: b"Not Found",
    405: b"Method Not Allowed",
    413: b"Payload Too Large",
    429: b"Too Many Requests",
    500: b"Internal Server Error",
    502: b"Bad Gateway",
    503: b"Service Unavailable",
    504: b"Gateway Timeout",
    529: b"Overloaded",
}


class Request(msgspec.Struct):
    """A whole request. Header names are in lower case; of a repeated header the last value is kept."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


class Handler(Protocol):
    """Answers on the connection; returns a coroutine when it needs time, None when it is done already."""

    def __call__(self, connection: "Connection", request: Request) -> Coroutine[Any, Any, None] | None: ...


class Tunnel(Protocol):
    """What takes a connection over after an upgrade."""

    def feed(self, data: bytes) -> None: ...
    def lost(self) -> None: ...


Early = Callable[["Connection", Request], bool]
"""Sees a request before its body; True: it has answered already and the body is of no interest."""


class Connection(asyncio.Protocol):
    """One client connection. `gone` says whether the client has left."""

    def __init__(self, handler: Handler, early: Early, connections: set["Connection"]) -> None:
        self._handler = handler
        self._early = early
        self._connections = connections
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[tuple[Request, bool]] = deque()  # with whether its connection stays open
        self._task: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._transport: asyncio.Transport | None = None
        self._keep_alive = True
        self._busy = False
        self._ignoring = False
        self._tunnel: Tunnel | None = None
        self.gone = False

    # -- asyncio ------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(WRITE_BUFFER_BYTES)
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True
        self._connections.discard(self)
        self._writable.set()
        if self._task is not None:
            self._task.cancel()
        if self._tunnel is not None:
            self._tunnel.lost()

    def _feed_tunnel(self, rest: bytes) -> None:
        """What came behind the request that switched."""
        if self._tunnel is not None and rest:
            self._tunnel.feed(rest)

    def switch(self, tunnel: "Tunnel") -> None:
        """From here on the connection's bytes are no HTTP."""
        self._tunnel = tunnel

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        if self._tunnel is not None:
            self._tunnel.feed(data)
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._feed_tunnel(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            self.close()

    # -- httptools ----------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._size = 0
        self._ignoring = False

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._headers.get("expect", "").lower() == "100-continue":
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if "x-sim" in self._headers and self._early(self, self._request()):
            self._ignoring = True

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._ignoring or self._size > BODY_BYTES_MAX:
            return
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._ignoring:
            return
        keep_alive = self._parser.should_keep_alive()
        if self._busy:
            self._waiting.append((self._request(), keep_alive))
        else:
            self._begin(self._request(), keep_alive)

    # -- answers ------------------------------------------------------------------------------------------------

    def head(
        self, status: int, headers: list[tuple[str, str]], *, length: int | None, content_type: str = "application/json"
    ) -> bytes:
        """A response head. length: None for a chunked body, -1 for one that ends with the connection."""
        lines = [b"HTTP/1.1 %d %s" % (status, REASONS.get(status, b"Unknown"))]
        lines.append(b"content-type: " + content_type.encode())
        if length is None:
            lines.append(b"transfer-encoding: chunked")
        elif length >= 0:
            lines.append(b"content-length: %d" % length)
        if length == -1 or not self._keep_alive:
            self._keep_alive = False
            lines.append(b"connection: close")
        lines.extend(f"{name}: {value}".encode("latin-1") for name, value in headers)
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def write(self, data: bytes) -> None:
        if self._transport is not None and not self.gone:
            self._transport.write(data)

    async def drained(self) -> None:
        """Wait until the client has taken enough of what was written. A client that left raises CancelledError."""
        if not self._writable.is_set():
            await self._writable.wait()

    def finish(self) -> None:
        """This answer is complete: serve the next request, or close."""
        self._busy = False
        if not self._keep_alive:
            self.close()
        elif self._waiting:
            self._begin(*self._waiting.popleft())

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def reset(self) -> None:
        """Break the connection with an RST, as a crashed or overloaded server does."""
        if self._transport is None:
            return
        sock = self._transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()

    def _request(self) -> Request:
        path, _, query = self._url.decode("latin-1").partition("?")
        method = self._parser.get_method().decode("latin-1")
        return Request(method, path, query, self._headers, b"".join(self._body))

    def _begin(self, request: Request, keep_alive: bool) -> None:
        self._busy = True
        self._keep_alive = keep_alive
        try:
            work = self._handler(self, request)
        except Exception as error:  # the HTTP edge: httptools would swallow it and call it a bad request
            self._failed(error)
            return
        if work is not None:
            self._task = asyncio.get_running_loop().create_task(work)
            self._task.add_done_callback(self._worked)

    def _worked(self, task: asyncio.Task[None]) -> None:
        self._task = None
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._failed(error)

    def _failed(self, error: BaseException) -> None:
        """A mistake of the simulator's own: loud, so that no test takes it for a fault that was demanded."""
        loop = asyncio.get_running_loop()
        loop.call_exception_handler({"message": "simulator: a request failed", "exception": error})
        self.write(b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        self.close()


def chunk(data: bytes) -> bytes:
    """One HTTP chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"
