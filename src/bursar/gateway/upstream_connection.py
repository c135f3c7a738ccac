"""One HTTP/1.1 connection to an upstream: one request at a time, its bytes and its faults.

The parser (llhttp) calls back into the connection while `data_received` runs; nothing else happens inside those
callbacks, so that a request never starts in the middle of another's bytes. Body pieces go from the parser straight into
a list (`on_body` is that list's `append`): no Python runs per piece.
"""

import asyncio
import math
import select
import time
from typing import Any, Protocol, cast

import httptools

from bursar.domain.errors import BursarError, UpstreamBroken, UpstreamTimeout
from bursar.gateway.outbox import Outbox
from bursar.gateway.upstream_framing import BODYLESS, Headers, ends_with_connection, head_size, is_framed
from bursar.gateway.upstream_limits import PoolLimits
from bursar.gateway.upstream_reply import Reply, Tap, broken

SLICE_BYTES = 256 * 1024
"""A body up to here is copied behind its head: cheaper than a second write at every size (measured: 98 KB 16 or 18 µs,
220 KB 28 or 38). A larger one goes out in pieces of this size, as fast as the upstream takes them."""
SUSPECT_AFTER_S = 0.02  # a connection idle for longer is asked whether the upstream has closed it

_H = ord("H")  # only HEAD starts with it


class Keeper(Protocol):
    """Who owns connections: told when one is free again, and when one is gone."""

    def released(self, connection: "Connection") -> None: ...
    def gone(self, connection: "Connection") -> None: ...
    def closed(self, connection: "Connection") -> None: ...


class Connection(asyncio.Protocol):
    """A socket that carries one request at a time. `deadline` (time.monotonic) is watched by the pool's ticker."""

    __slots__ = (
        "_barren",
        "_buffered",
        "_chunks",
        "_complete",
        "_drained",
        "_feed",
        "_head_only",
        "_headers",
        "_idle_timeout_s",
        "_informational",
        "_keep_alive",
        "_limits",
        "_loop",
        "_outbox",
        "_parser",
        "_poll",
        "_reading",
        "_reply",
        "_transport",
        "_uploading",
        "_waiter",
        "_whole",
        "_write_paused",
        "deadline",
        "idle_since",
        "is_open",
        "keeper",
        "name",
        "on_body",
        "tap",
    )

    def __init__(self, limits: PoolLimits, loop: asyncio.AbstractEventLoop, name: str, outbox: Outbox) -> None:
        self.keeper: Keeper | None = None  # nobody's until it is open
        self._limits = limits
        self._idle_timeout_s = limits.idle_timeout_s
        self._loop = loop
        self._outbox = outbox
        self.name = name
        self.is_open = False
        self.deadline = math.inf
        self.idle_since = 0.0
        self._transport: Any = None  # Any: asyncio.Transport's methods without an is-None check per call
        self._parser: Any = None
        self._feed: Any = None
        self._poll: select.poll | None = None
        self._reply: Reply | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._chunks: list[bytes] = []
        self.on_body = self._chunks.append
        self._headers: Headers = []
        self._barren = 0  # bytes since the last read with a piece of a body: a head, trailers, chunk extensions
        self._buffered = 0  # bytes nobody has taken yet
        self._complete = False
        self._head_only = False
        self._informational = False
        self._keep_alive = False
        self._reading = True
        self._uploading = False
        self._whole = False
        self._write_paused = False
        self.tap: Tap | None = None  # the reply's, while somebody waits for its next piece

    # -- the pool's side ------------------------------------------------------------------------------------------

    def begin(self, head: bytes, body: bytes, deadline: float, *, whole: bool) -> tuple[Reply, asyncio.Future[None]]:
        """Send a request. The future is done when the head is there (`whole`: the complete message) or all is lost.

        A body above SLICE_BYTES is only announced; the caller goes on with `upload`.
        """
        self._reply = reply = Reply(self)
        self._waiter = waiter = self._loop.create_future()
        self._whole = whole
        self._complete = False
        self._barren = self._buffered = 0
        self._head_only = head[0] == _H
        self.deadline = deadline
        size = len(body)
        if size > SLICE_BYTES:
            self._uploading = True
            self._transport.write(b"%bcontent-length: %d\r\n\r\n" % (head, size))
        elif size or head[:4] not in (b"GET ", b"HEAD"):
            self._outbox.to_upstream(self._transport, b"%bcontent-length: %d\r\n\r\n%b" % (head, size, body))
        else:
            self._outbox.to_upstream(self._transport, head + b"\r\n")
        return reply, waiter

    async def upload(self, reply: Reply, body: bytes) -> None:
        """Write a large body at the upstream's pace. Its answer may come first: an error stops the upload."""
        view = memoryview(body)
        for start in range(0, len(body), SLICE_BYTES):
            while self._write_paused and self._reply is reply and not reply.status:
                self._drained = self._loop.create_future()
                await self._drained
            if self._reply is not reply:
                return
            if reply.status:
                if reply.status < 400:  # it answers while it reads: nobody is left to wait for its pace
                    self._transport.write(view[start:])
                    self._uploading = False
                return
            self._transport.write(view[start : start + SLICE_BYTES])
        self._uploading = False

    def is_readable(self) -> bool:
        """Whether an idle connection can't be trusted with a request: closed, or bytes came unasked."""
        return self._poll is not None and bool(self._poll.poll(0))

    def expire(self) -> None:
        """The deadline has passed."""
        self.deadline = math.inf
        reply = self._reply
        if reply is None:
            return
        stage = "idle" if reply.status else "first_byte"
        error = UpstreamTimeout(
            f"{self.name} stopped in the middle of its answer"
            if reply.status
            else f"{self.name} took the request and didn't answer in time"
        )
        error.stage = stage
        self._fail(error)

    def cut(self) -> None:
        """Shut by Bursar itself, which is going down: whoever still reads is told."""
        self._fail(self._broken("was cut off: the gateway is shutting down"))

    def shut(self) -> None:
        """Close the socket at once, whatever is under way. May be called again."""
        self._detach()
        self.deadline = math.inf
        if self._transport is not None:
            self._transport.abort()
        if self.is_open:
            self.is_open = False
            if self.keeper is not None:
                self.keeper.gone(self)

    # -- the reply's side -----------------------------------------------------------------------------------------

    def take(self) -> bytes:
        """What has arrived and wasn't taken; lets the socket go on reading."""
        chunks = self._chunks
        if not chunks:
            return b""
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self._buffered = 0
        if not self._reading:
            self._reading = True
            self.deadline = time.monotonic() + self._idle_timeout_s
            self._transport.resume_reading()
        return data

    def expect(self) -> asyncio.Future[None]:
        """A future that is done when there is something to take, or nothing will come any more."""
        self._waiter = waiter = self._loop.create_future()
        return waiter

    # -- the socket's side ----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if transport.get_extra_info("ssl_object") is None:  # uvloop's TLS never resumes at a limit of 0
            self._transport.set_write_buffer_limits(high=0)  # `Outbox` says why
        self._parser = httptools.HttpResponseParser(self)
        self._feed = self._parser.feed_data
        socket = transport.get_extra_info("socket")
        if socket is not None:
            self._poll = select.poll()
            self._poll.register(socket.fileno(), select.POLLIN | select.POLLRDHUP)
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        reply = self._reply
        if reply is None:  # an answer that nobody asked for
            self.shut()
            return
        now = time.monotonic()
        size = len(data)
        self._barren += size
        try:
            self._feed(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self._complete:
                self._fail(self._broken(f"sent what is not HTTP/1.1 ({error})", error))
                return
            self._keep_alive = False
        if self._complete:
            self.idle_since = now
            self._finish(reply)
            return
        self.deadline = now + self._idle_timeout_s
        if self._chunks:
            self._barren = 0
            tap = self.tap
            if tap is not None and self._tapped(reply, tap):
                return
            self._buffered += size
            if self._buffered > self._limits.buffer_bytes_max:
                self._whole = False  # too much to hold: the caller reads it piece by piece
                self._reading = False
                self.deadline = math.inf  # it is the reader who is slow now
                self._transport.pause_reading()
            if not self._whole:
                self._wake()
        elif self._barren > self._limits.head_bytes_max:
            self._fail(self._broken(f"sent more than {self._limits.head_bytes_max} bytes of headers"))
        elif reply.status and not self._whole:
            self._wake()

    def _tapped(self, reply: Reply, tap: Tap) -> bool:
        """Hand what came to the reply's tap; False if it can't take it now."""
        chunks = self._chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        if not tap(data):
            return False
        chunks.clear()
        reply.bytes_received += len(data)
        return True

    def connection_lost(self, error: Exception | None) -> None:
        reply = self._reply
        if reply is not None:
            if error is None and reply.status and ends_with_connection(reply.headers):
                self._keep_alive = False
                self._finish(reply)
            else:
                self._fail(self._broken("closed the connection in the middle", error))
        self.shut()
        self._parser = self._feed = self._poll = None  # they hold bound methods of this object
        if self.keeper is not None:
            self.keeper.closed(self)

    def pause_writing(self) -> None:
        self._write_paused = True

    def resume_writing(self) -> None:
        self._write_paused = False
        self._wake_upload()

    # -- the parser's side ----------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._complete:
            raise ValueError("bytes after the end of the answer")
        self._headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            if status == 101:
                raise ValueError("an upgrade that nobody asked for")
            self._informational = True
            return
        reply = self._reply
        if reply is None:  # can't be: data_received looked
            return
        if self._barren > self._limits.head_bytes_max and head_size(self._headers) > self._limits.head_bytes_max:
            raise ValueError("too many bytes of headers")
        reply.status = status
        reply.headers = self._headers
        reply.first_byte_us = time.time_ns() // 1_000
        self._headers = []  # trailers aren't part of the head
        if self._head_only or (status in BODYLESS and is_framed(reply.headers)):
            # llhttp doesn't know the request's method and would wait for the body that these headers announce
            self._complete, self._keep_alive = True, False
            raise ValueError("no body to read")

    def on_message_complete(self) -> None:
        if self._informational:
            self._informational = False
            return
        self._keep_alive = self._parser.should_keep_alive()  # only true in here: llhttp resets its flags afterwards
        self._complete = True

    # -- ends -----------------------------------------------------------------------------------------------------

    def _finish(self, reply: Reply) -> None:
        """The message is complete."""
        chunks = self._chunks
        content = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        if self._whole:
            reply.content = content
            reply.bytes_received = len(content)
        else:
            reply.rest = content
        if self._keep_alive and not self._uploading and not self._transport.get_write_buffer_size():
            self._detach()
            if not self._reading:
                self._reading = True
                self._transport.resume_reading()
            if self.keeper is not None:
                self.keeper.released(self)
        else:
            self.shut()

    def _fail(self, error: BursarError) -> None:
        reply = self._reply
        if reply is not None:
            reply.rest = b"".join(self._chunks)
            reply.fault = error
        self.shut()

    def _detach(self) -> None:
        """Part from the reply, which lives on by itself."""
        reply, self._reply = self._reply, None
        if reply is not None:
            reply.source = None
        self._chunks.clear()
        self.deadline = math.inf
        self._wake()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
        if self._drained is not None:
            self._wake_upload()

    def _wake_upload(self) -> None:
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    def _broken(self, what: str, cause: Exception | None = None) -> UpstreamBroken:
        reply = self._reply
        error = broken(f"{self.name} {what}", response_started=reply is not None and reply.status != 0)
        error.__cause__ = cause
        return error
