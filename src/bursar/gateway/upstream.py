"""The pool of connections to one upstream: bounded, last in first out, first come first served when all are busy.

One ticker per pool watches all deadlines, so a request costs no timer: a timeout fires up to `tick_s` late, never
early.
A request is sent once. It is never repeated here: whoever counts attempts decides that, and is told by the error
whether anything was sent.
"""

import asyncio
import time
from collections import deque

from bursar.domain.errors import BursarError, Overloaded, UpstreamUnreachable
from bursar.gateway.outbox import Outbox
from bursar.gateway.upstream_connection import SLICE_BYTES, SUSPECT_AFTER_S, Connection
from bursar.gateway.upstream_framing import Headers
from bursar.gateway.upstream_limits import PoolLimits, PoolStats
from bursar.gateway.upstream_origin import Origin, Proxy
from bursar.gateway.upstream_reply import Reply
from bursar.gateway.upstream_socket import open_socket, tls_context

__all__ = ["Headers", "Origin", "Pool", "PoolLimits", "PoolStats", "Proxy", "Reply"]


class _Turn:
    """A place in the queue for a connection."""

    __slots__ = ("deadline", "granted")

    def __init__(self, deadline: float) -> None:
        self.granted: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self.deadline = deadline

    def grant(self, connection: Connection | None) -> bool:
        """Give a free connection, or (None) the right to open one. False: nobody waits here any more."""
        if self.granted.done():
            return False
        self.granted.set_result(connection)
        return True

    def refuse(self, error: BursarError) -> None:
        if not self.granted.done():
            self.granted.set_exception(error)


class Pool:
    """Sends requests to one origin. Made anywhere; used in one event loop."""

    def __init__(self, origin: Origin, limits: PoolLimits, outbox: Outbox) -> None:
        """Raises ConfigError where the CA bundle can't be read."""
        self.origin = origin
        self.limits = limits
        self._outbox = outbox
        self._tls = tls_context(origin)
        self._name = str(origin)
        self._open = 0  # slots taken, connections being opened included
        self._idle: list[Connection] = []
        self._sockets: set[Connection] = set()  # until the loop has let go of them
        self._waiting: deque[_Turn] = deque()
        self._opened_total = 0
        self._reused_total = 0
        self._is_closed = False
        self._ticker: asyncio.TimerHandle | None = None
        self._emptied: asyncio.Future[None] | None = None

    async def send(self, head: bytes, body: bytes, *, first_byte_timeout_s: float, whole: bool = False) -> Reply:
        """Send one request and wait for the head of its answer, or for all of it.

        head:  all but the Content-Length line and the blank line, `b"POST /v1/x HTTP/1.1\\r\\nhost: …\\r\\n"`; the
               caller has made sure that no value holds CR or LF.
        first_byte_timeout_s: from the write to the head of the answer; also the longest wait for a free connection.
        whole: return when the message is complete, in `reply.content`; an answer larger than `buffer_bytes_max` is
               returned unread instead (`content` is None).

        Raises UpstreamUnreachable and Overloaded (nothing was sent), UpstreamTimeout and UpstreamBroken (it may have
        been billed). Cancelling it shuts the connection if the request was under way.
        """
        now = time.monotonic()
        connection = self._take_idle(now)
        if connection is None:
            connection = await self._acquire(first_byte_timeout_s)
            now = time.monotonic()
        reply, arrived = connection.begin(head, body, now + first_byte_timeout_s, whole=whole)
        try:
            if len(body) > SLICE_BYTES:
                await connection.upload(reply, body)
            await arrived
        except asyncio.CancelledError:
            reply.close()
            raise
        if reply.fault is not None and (whole or not reply.status):
            raise reply.fault
        return reply

    async def open(self, protocol: asyncio.Protocol) -> asyncio.Transport:
        """A connection of its own for something else than requests and answers: the caller keeps and closes it.

        Raises UpstreamUnreachable.
        """
        if self._is_closed:
            raise UpstreamUnreachable(f"the pool of {self._name} is closed")
        return await open_socket(self.origin, self._tls, protocol, self.limits.connect_timeout_s)

    async def close(self, grace_s: float = 5.0) -> None:
        """Take no more requests, let those under way end within grace_s, then shut everything."""
        self._is_closed = True
        while self._waiting:
            self._waiting.popleft().refuse(UpstreamUnreachable(f"the pool of {self._name} is closing"))
        for connection in list(self._idle):
            connection.shut()
        for wait_s in (grace_s, 1.0):  # the second time for the loop to let go of what was cut
            if self._sockets:
                self._emptied = asyncio.get_running_loop().create_future()
                await asyncio.wait([self._emptied], timeout=wait_s)
            for connection in list(self._sockets):
                connection.cut()
        if self._ticker is not None:
            self._ticker.cancel()
            self._ticker = None

    def stats(self) -> PoolStats:
        return PoolStats(self._open, len(self._idle), len(self._waiting), self._opened_total, self._reused_total)

    # -- getting a connection -------------------------------------------------------------------------------------

    def _take_idle(self, now: float) -> Connection | None:
        """The connection used last: it is the warmest, and the others may expire."""
        idle = self._idle
        while idle:
            connection = idle.pop()
            idle_s = now - connection.idle_since
            if connection.is_open and (
                idle_s < SUSPECT_AFTER_S or (idle_s < self.limits.connection_idle_s and not connection.is_readable())
            ):
                self._reused_total += 1
                return connection
            connection.shut()
        return None

    async def _acquire(self, patience_s: float) -> Connection:
        """A new connection, or the next that gets free, in turn."""
        if self._is_closed:
            raise UpstreamUnreachable(f"the pool of {self._name} is closed")
        if self._open < self.limits.connections_max:
            self._open += 1
            return await self._connect()
        if len(self._waiting) >= self.limits.waiting_max:
            raise Overloaded(f"{len(self._waiting)} calls already wait for a connection to {self._name}")
        turn = _Turn(time.monotonic() + patience_s)
        self._waiting.append(turn)
        self._start_ticker()
        while True:
            connection = await self._granted(turn)
            if connection is None:
                return await self._connect()
            if connection.is_open:
                self._reused_total += 1
                return connection
            turn = _Turn(turn.deadline)  # it died on the way here: still first in line
            self._waiting.appendleft(turn)

    async def _granted(self, turn: "_Turn") -> Connection | None:
        """Wait for a turn: a free connection, or None for the right to open one."""
        try:
            return await turn.granted
        except asyncio.CancelledError:
            if turn.granted.cancelled():
                if turn in self._waiting:  # unless a connection was offered already, and went on to the next
                    self._waiting.remove(turn)
            elif turn.granted.exception() is None:  # granted and cancelled in the same moment: pass it on
                connection = turn.granted.result()
                if connection is None:
                    self._free_slot()
                elif connection.is_open:
                    self.released(connection)
            raise

    async def _connect(self) -> Connection:
        """Open a connection in a slot that is already ours."""
        connection = Connection(self.limits, asyncio.get_running_loop(), self._name, self._outbox)
        try:
            await open_socket(self.origin, self._tls, connection, self.limits.connect_timeout_s)
            if not connection.is_open:
                raise UpstreamUnreachable(f"{self._name} closed the connection at once")
            if self._is_closed:
                raise UpstreamUnreachable(f"the pool of {self._name} is closed")
        except BaseException:
            connection.shut()
            self._free_slot()
            raise
        connection.keeper = self
        self._sockets.add(connection)
        self._opened_total += 1
        self._start_ticker()
        return connection

    # -- news from connections ------------------------------------------------------------------------------------

    def released(self, connection: Connection) -> None:
        """A connection is free: the first in line gets it."""
        while self._waiting:
            if self._waiting.popleft().grant(connection):
                return
        if self._is_closed:
            connection.shut()
        else:
            self._idle.append(connection)

    def gone(self, connection: Connection) -> None:
        """A connection was shut or lost: its slot is free."""
        if connection in self._idle:
            self._idle.remove(connection)
        self._free_slot()

    def closed(self, connection: Connection) -> None:
        """The loop has let go of the socket."""
        self._sockets.discard(connection)
        if not self._sockets and self._emptied is not None and not self._emptied.done():
            self._emptied.set_result(None)

    def _free_slot(self) -> None:
        while self._waiting:
            if self._waiting.popleft().grant(None):
                return
        self._open -= 1

    # -- time -----------------------------------------------------------------------------------------------------

    def _start_ticker(self) -> None:
        if self._ticker is None:
            self._ticker = asyncio.get_running_loop().call_later(self.limits.tick_s, self._tick)

    def _tick(self) -> None:
        """Look at every deadline: of requests, of waiting calls, of idle connections."""
        now = time.monotonic()
        for connection in [c for c in self._sockets if c.deadline < now]:
            connection.expire()
        oldest = now - self.limits.connection_idle_s
        for connection in [c for c in self._idle if c.idle_since <= oldest]:
            connection.shut()
        for turn in [t for t in self._waiting if t.deadline < now]:
            self._waiting.remove(turn)
            turn.refuse(Overloaded(f"no connection to {self._name} became free in time"))
        self._ticker = None
        if self._sockets or self._waiting:
            self._start_ticker()
