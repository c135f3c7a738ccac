"""One client's connection: llhttp parses, requests are answered in the order they came.

uvicorn runs the process (sockets, signals, graceful stop); this replaces its protocol class: no scope, no messages, no
event for a request, and an answer leaves in one write instead of two. An echo costs half of uvicorn's [measured].

A connection answers in one task, one request after the other: a task for each would cost 3 µs more. A head that came
before isn't parsed again (`heads.py`); its body is counted off.
"""

import asyncio
import time
from collections import deque
from typing import Any, Protocol, cast
from urllib.parse import unquote

import httptools
from uvicorn.config import Config
from uvicorn.server import ServerState

from bursar.gateway.client import Client
from bursar.gateway.exchange import STATUS_LINES, Exchange
from bursar.gateway.heads import Head, Headers, Heads, Known
from bursar.gateway.outbox import Outbox

HEAD_BYTES_MAX = 64 * 1024
HEAD_TIMEOUT_S = 30.0  # a request's head must be whole within this
IDLE_TIMEOUT_S = 75.0  # between requests
TICK_S = 1.0
WEBSOCKET = ("GET", "1.1")  # how one is asked for (RFC 6455)
LINGER_S = 5.0  # how long a refused client may go on writing


class Handler(Protocol):
    """What answers: the edge."""

    heads: Heads
    outbox: Outbox
    stall_s: float

    async def handle(self, client: Client) -> None: ...


class Connection(asyncio.Protocol):
    """One client's connection. Built by uvicorn for each accept, with the arguments of its own protocol classes."""

    __slots__ = (
        "_arrived",
        "_current",
        "_edge",
        "_head_bytes",
        "_in_head",
        "_incoming",
        "_is_deaf",
        "_is_lost",
        "_known",
        "_loop",
        "_outbox",
        "_parser",
        "_queued",
        "_raw_left",
        "_reading_paused",
        "_since",
        "_stall_s",
        "_state",
        "_transport",
        "_url",
        "headers",
        "write_paused",
    )

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._edge = cast(Handler, config.loaded_app)
        self._outbox = self._edge.outbox
        self._stall_s = self._edge.stall_s
        self._state = server_state
        self._loop = _loop or asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._queued: deque[Exchange] = deque()
        self._current: Exchange | None = None  # being answered
        self._incoming: Exchange | None = None  # being read
        self._arrived: asyncio.Future[None] | None = None  # the task waits for a request
        self._is_lost = False
        self._known: Known | None = None  # the head of the last request, if it is of the kind that is remembered
        self._reading_paused = False
        self._in_head = False
        self._is_deaf = False  # what still comes is not looked at
        self._head_bytes = 0
        self._raw_left = 0  # body bytes that the parser doesn't see
        self._since = time.monotonic()
        self._url = b""
        self.headers: Headers = []
        self.write_paused: asyncio.Future[None] | None = None

    # -- asyncio ---------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=0)  # `Outbox` says why
        self._state.connections.add(self)  # type: ignore[arg-type]  # uvicorn only calls its `shutdown`
        task = self._loop.create_task(self._answer_all())
        self._state.tasks.add(task)
        task.add_done_callback(self._state.tasks.discard)

    def connection_lost(self, _: Exception | None) -> None:
        self._is_lost = True
        self._state.connections.discard(self)
        for exchange in (self._current, self._incoming, *self._queued):
            if exchange is not None:
                exchange.gone = True
                exchange.wake()
        self._queued.clear()
        self.resume_writing()
        self._wake()

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            return
        self._since = time.monotonic()
        if self._raw_left:
            data = self._take_raw(data)
        while data and not self._in_head and self._incoming is None:  # a request begins
            known = self._known  # a client sends the same head again and again
            found = known.match(data) if known is not None else None
            if known is None or found is None:
                known = self._known = self._edge.heads.find(data)
                found = known.match(data) if known is not None else None
            if known is None or found is None or known.head is None:
                break
            length, start = found
            data = self._begin_known(known.head, length, data[start:])
        if data:
            self._parse(data)

    def _begin_known(self, head: Head, length: int, data: bytes) -> bytes:
        """A request whose head needs no parser; returns what comes after what is here of its body."""
        if len(data) == length:  # all of it and no more: as most requests come
            self._begin(Exchange(head, self._stall_s, content=data, connection=self, body_bytes=length, is_whole=True))
            return b""
        self._raw_left = length
        self._incoming = exchange = Exchange(head, self._stall_s, connection=self, announced=length)
        self._begin(exchange)
        return self._take_raw(data)

    def _parse(self, data: bytes) -> None:
        was_in_head = self._in_head
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._decline_upgrade(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError:
            self._refuse(400, "this is not a request that HTTP/1.1 allows")
            return
        if was_in_head and self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self._refuse(431, f"the request's head is larger than {HEAD_BYTES_MAX} bytes")

    def _decline_upgrade(self, rest: bytes) -> None:
        """Java's client offers HTTP/2 with each request. RFC 9110 §7.8 allows to go on in HTTP/1.1: read on plainly."""
        self._parser = httptools.HttpRequestParser(self)
        exchange = self._incoming
        if exchange is None:
            return
        names = dict(exchange.head.headers)
        if names.get(b"upgrade", b"").lower() == b"websocket" and (exchange.head.method, exchange.version) == WEBSOCKET:
            self._offer_websocket(exchange, rest)
            return
        length = names.get(b"content-length", b"0")
        if b"transfer-encoding" in names or not length.isdigit():
            self._refuse(400, "send a body of known length, or no Upgrade header")
            return
        self._raw_left = int(length)
        rest = self._take_raw(rest)
        if rest:
            self.data_received(rest)

    def _offer_websocket(self, exchange: Exchange, rest: bytes) -> None:
        """The edge may take the connection over; where it doesn't, its answer is the last one here."""
        exchange.may_switch, exchange.keeps_alive = True, False
        exchange.parts = [rest] if rest else []
        self._whole()
        self._pause_reading()

    def hand_over(self, protocol: asyncio.Protocol, head: bytes) -> bool:
        """Answer, and let `protocol` have the connection, with all that came behind the request. False: it is lost."""
        if self._is_lost or self._transport.is_closing() or self._current is None:
            return False
        self._is_lost = True  # for this end: `_answer_all` ends with the exchange under way
        self._outbox.flush()
        self._transport.write(head)
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        for part in self._current.parts:
            protocol.data_received(part)
        self.resume_reading()
        return True

    def _take_raw(self, data: bytes) -> bytes:
        """Body bytes that the parser doesn't see; returns what comes after them."""
        part, rest = data[: self._raw_left], data[self._raw_left :]
        self._raw_left -= len(part)
        exchange = self._incoming
        if exchange is not None:
            if part:
                exchange.took(part)
            if not self._raw_left:
                self._whole()
        return rest

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        self.write_paused = self._loop.create_future()

    def resume_writing(self) -> None:
        paused, self.write_paused = self.write_paused, None
        if paused is not None and not paused.done():
            paused.set_result(None)

    # -- the parser ------------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._url = b""
        self.headers = []
        self._in_head = True

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        parser, headers = self._parser, self.headers
        path, _, query = self._url.partition(b"?")
        text = path.decode("latin-1")
        head = Head(parser.get_method().decode("ascii"), unquote(text) if "%" in text else text, query, headers)
        self._incoming = exchange = Exchange(head, self._stall_s, connection=self)
        exchange.version = parser.get_http_version()
        exchange.keeps_alive = parser.should_keep_alive()
        names = dict(headers)
        exchange.announced = int(names.get(b"content-length", b"0"))
        exchange.expects_continue = names.get(b"expect", b"").lower() == b"100-continue"
        if names.get(b"transfer-encoding", b"chunked").lower() != b"chunked":
            exchange.fault = "the only transfer-encoding that is understood here is chunked"
        elif exchange.version == "1.1" and b"host" not in names:
            exchange.fault = "a request of HTTP/1.1 names its host"
        self._in_head = False
        self._head_bytes = 0
        known = self._known
        if known is not None and known.head is None:
            if exchange.is_ordinary and not parser.should_upgrade():
                self._edge.heads.learn(known, head)
            self._known = None if known.head is None else known
        self._begin(exchange)

    def on_body(self, part: bytes) -> None:
        if self._incoming is not None:
            self._incoming.took(part)

    def on_message_complete(self) -> None:
        if self._parser.should_upgrade():
            return  # llhttp takes an upgrade for granted and skips the body; `_decline_upgrade` reads it
        if self._incoming is not None:
            self._whole()

    # -- answering -------------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        self._outbox.to_client(self._transport, data)

    def _close(self) -> None:
        """Close behind the last byte that was written."""
        self._outbox.flush()
        self._transport.close()

    def answered(self, exchange: Exchange) -> None:
        """An answer is written: the next request may begin, or the connection ends."""
        self._current = None
        self._state.total_requests += 1
        self._since = time.monotonic()
        if not exchange.is_whole:
            self._linger()
        elif not exchange.keeps_alive:
            self._close()
        elif self._queued:
            self._current = self._queued.popleft()
        self.resume_reading()

    def _linger(self) -> None:
        """The client may still be writing what was refused: say that the answer is over, and hear it out unheeded.

        Closing at once would reset the connection, and the refusal could be lost on its way.
        """
        self._is_deaf = True
        self._outbox.flush()
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()

    def resume_reading(self) -> None:
        if self._reading_paused and not self._transport.is_closing():
            self._reading_paused = False
            self._transport.resume_reading()

    def shutdown(self) -> None:
        """uvicorn asks to stop: at once when idle, after the answer under way otherwise."""
        if self._current is None:
            self._close()
        else:
            self._current.keeps_alive = False

    def tick(self, now: float) -> None:
        """Close what has been idle, or in the middle of a head, for too long."""
        still_s = now - self._since
        if self._is_deaf:
            if still_s > LINGER_S:
                self._close()
        elif self._current is None:
            if still_s > (HEAD_TIMEOUT_S if self._in_head else IDLE_TIMEOUT_S):
                self._close()
        elif self._current is self._incoming and still_s > self._stall_s and not self._reading_paused:
            self._current.stands_still = True
            self._current.wake()

    async def _answer_all(self) -> None:
        """Answer this connection's requests in the order they came, until it is lost."""
        while not self._is_lost:
            exchange = self._current
            if exchange is None:
                self._arrived = self._loop.create_future()
                await self._arrived
                continue
            await self._edge.handle(exchange)
            if not exchange.is_done:  # nobody is left who would read an answer, or it can't be brought to an end
                self._transport.abort()
                return
        self._state.connections.discard(self)

    def _begin(self, exchange: Exchange) -> None:
        """A request's head is here."""
        if self._current is None:
            self._current = exchange
            self._wake()
        else:  # pipelined: answers leave in the order of the requests
            self._queued.append(exchange)
            self._pause_reading()

    def _whole(self) -> None:
        """The request that is being read is complete."""
        exchange, self._incoming = self._incoming, None
        if exchange is not None:
            exchange.is_whole = True
            exchange.wake()

    def _wake(self) -> None:
        arrived, self._arrived = self._arrived, None
        if arrived is not None and not arrived.done():
            arrived.set_result(None)

    def _pause_reading(self) -> None:
        if not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()

    def _refuse(self, status: int, reason: str) -> None:
        """What can't be parsed has no dialect: plain text, and the connection ends. A body is refused by its call."""
        if self._transport.is_closing():
            return
        incoming = self._incoming
        if incoming is not None and not incoming.started:
            self._is_deaf = True
            incoming.fault = reason
            incoming.wake()
            return
        if self._current is None:
            text = (reason + "\n").encode()
            self.write(
                b"%bcontent-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
                % (STATUS_LINES[status], len(text), text)
            )
        self._close()


async def tick_connections(state: ServerState) -> None:
    """One ticker for all connections, so that none needs a timer of its own. Runs until cancelled."""
    while True:
        await asyncio.sleep(TICK_S)
        now = time.monotonic()
        for connection in list(state.connections):
            cast(Connection, connection).tick(now)
