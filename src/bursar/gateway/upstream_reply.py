"""An upstream's answer, as the pipeline reads it: in one piece or as it comes."""

import asyncio
from collections.abc import Callable
from typing import Protocol

import msgspec

from bursar.domain.errors import BursarError, UpstreamBroken
from bursar.gateway.upstream_framing import Headers

Tap = Callable[[bytes], bool]
"""Takes a piece of the answer as it comes off the socket, with no task waking for it; False: it can't take this one."""


class Source(Protocol):
    """The connection behind a reply, until the message is complete."""

    tap: Tap | None

    def take(self) -> bytes: ...
    def expect(self) -> asyncio.Future[None]: ...
    def shut(self) -> None: ...


class Reply(msgspec.Struct, eq=False):
    """An upstream's answer. Whoever gets one reads it to its end or closes it.

    headers: names in lower case, in the order they came, repeated ones repeated.
    content: the whole body, if it was there when `send` returned; None: read it by `chunk` or `body`.
    first_byte_us: UTC microseconds when the head of the answer came.
    fault: what cut the answer short, if something did; `chunk` raises it after the last byte that came.
    bytes_received: body bytes handed out so far, transfer coding removed.
    """

    source: Source | None
    status: int = 0
    headers: Headers = []
    content: bytes | None = None
    fault: BursarError | None = None
    first_byte_us: int = 0
    bytes_received: int = 0
    rest: bytes = b""  # what came and isn't read, when the connection has parted from it

    async def chunk(self, tap: Tap | None = None) -> bytes:
        """All that arrived since the last call; waits for the first byte of it; b"" at the end.

        tap: takes what comes while this waits, and isn't called in between; what it doesn't take is returned.
        Raises UpstreamBroken or UpstreamTimeout once what came before the fault has been handed out.
        """
        while (connection := self.source) is not None:
            data = connection.take()
            if data:
                self.bytes_received += len(data)
                return data
            connection.tap = tap
            try:
                await connection.expect()
            except asyncio.CancelledError:
                self.close()
                raise
            finally:
                connection.tap = None
        data, self.rest = self.rest, b""
        if not data and self.fault is not None:
            raise self.fault
        self.bytes_received += len(data)
        return data

    async def body(self, bytes_max: int) -> bytes:
        """The rest of the body in one piece. Raises UpstreamBroken past bytes_max, and closes."""
        pieces = []
        size = 0
        while piece := await self.chunk():
            size += len(piece)
            if size > bytes_max:
                self.close()
                raise broken(f"the upstream's answer is larger than {bytes_max} bytes", response_started=True)
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def close(self) -> None:
        """Done with it. A complete answer's connection is back in the pool already; an incomplete one's is shut."""
        self.rest = b""
        if self.source is not None:
            self.fault = broken("the answer was closed before its end", response_started=self.status != 0)
            self.source.shut()


def broken(message: str, *, response_started: bool) -> UpstreamBroken:
    error = UpstreamBroken(message)
    error.response_started = response_started
    return error
