"""An upstream that plays a script, byte by byte, on a loopback port; and a pool with short limits to meet it."""

import asyncio
import contextlib
import functools
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import uvloop

from bursar.gateway.outbox import Outbox
from bursar.gateway.upstream import Origin, Pool, PoolLimits, Reply

CLOSE = "close"  # after all that was written has left
RESET = "reset"  # at once, unread bytes and all: the client sees a reset
STALL = "stall"  # say nothing until the client leaves
Step = bytes | float | str

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: upstream.test\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

Play = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def on_uvloop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run an async test on the loop that workers use."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(test(*args, **kwargs))

    return run


class Upstream:
    """What the server saw."""

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0
        self.open_now = 0
        self.requests: list[bytes] = []
        self.left = asyncio.Event()  # a client has gone while a STALL lasted, or between two requests

    @property
    def origin(self) -> Origin:
        return Origin.parse(f"http://127.0.0.1:{self.port}")


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """One request, head and body. Raises IncompleteReadError when the client has left."""
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return head + await reader.readexactly(int(line.partition(b":")[2]))
    return head


@contextlib.asynccontextmanager
async def serving(play: Play, upstream: Upstream, tls: ssl.SSLContext | None = None) -> AsyncIterator[Upstream]:
    """Serve `play` for each connection while the block lasts."""
    tasks: set[asyncio.Task[Any]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream.connections += 1
        upstream.open_now += 1
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await play(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            upstream.left.set()
        except asyncio.CancelledError:
            pass
        finally:
            upstream.open_now -= 1
            tasks.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=2)
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def playing(*acts: Sequence[Step] | bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[Upstream]:
    """Answer the first request with the first act, and so on over all connections; the last act repeats."""
    upstream = Upstream()
    queue = [[act] if isinstance(act, bytes) else list(act) for act in acts]

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            upstream.requests.append(await read_request(reader))
            for step in queue.pop(0) if len(queue) > 1 else queue[0]:
                if isinstance(step, bytes):
                    writer.write(step)
                    await writer.drain()
                elif isinstance(step, float):
                    await asyncio.sleep(step)
                elif step == STALL:
                    await reader.readexactly(1)
                elif step == CLOSE:
                    writer.close()
                    await writer.wait_closed()
                    return
                else:
                    linger_none = struct.pack("ii", 1, 0)
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_none)
                    writer.transport.abort()
                    return

    async with serving(play, upstream, tls) as it:
        yield it


@contextlib.asynccontextmanager
async def pool_to(origin: Origin, **limits: Any) -> AsyncIterator[Pool]:
    """A pool with a fine ticker; afterwards no slot may be left."""
    pool = Pool(
        origin, PoolLimits(**{"tick_s": 0.02, "connect_timeout_s": 2.0, "idle_timeout_s": 2.0, **limits}), Outbox()
    )
    try:
        yield pool
    finally:
        await pool.close(grace_s=0.0)
        stats = pool.stats()
        assert (stats.open, stats.idle, stats.waiting) == (0, 0, 0)


async def ask(
    pool: Pool, body: bytes = b"{}", *, timeout_s: float = 2.0, whole: bool = False, head: bytes = HEAD
) -> Reply:
    return await pool.send(head, body, first_byte_timeout_s=timeout_s, whole=whole)


async def read_all(reply: Reply) -> bytes:
    pieces = []
    while piece := await reply.chunk():
        pieces.append(piece)
    return b"".join(pieces)


class Wire:
    """A transport without a socket."""

    def __init__(self) -> None:
        self.is_closed = False
        self.is_paused = False

    def write(self, data: bytes | memoryview) -> None:
        assert not self.is_closed

    def abort(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def set_write_buffer_limits(self, high: int) -> None:
        assert high == 0

    def pause_reading(self) -> None:
        assert not self.is_paused
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str) -> None:
        return None


class Books:
    """A keeper that counts."""

    def __init__(self) -> None:
        self.released_count = self.gone_count = self.closed_count = 0

    def released(self, connection: object) -> None:
        self.released_count += 1

    def gone(self, connection: object) -> None:
        self.gone_count += 1

    def closed(self, connection: object) -> None:
        self.closed_count += 1
