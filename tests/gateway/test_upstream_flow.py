"""Large bodies both ways: bounded memory, at the pace of the slower side; answers that come before the upload ends."""

import asyncio
import math

import pytest
from tests.gateway.upstream_script import (
    HEAD,
    OK,
    STALL,
    Books,
    Upstream,
    Wire,
    ask,
    on_uvloop,
    playing,
    pool_to,
    read_all,
    read_request,
    serving,
)

from bursar.domain.errors import UpstreamBroken, UpstreamTimeout
from bursar.gateway.outbox import Outbox
from bursar.gateway.upstream import PoolLimits
from bursar.gateway.upstream_connection import Connection

MEGABYTE = 1024 * 1024


def body_of(size):
    return (bytes(range(256)) * (size // 256 + 1))[:size]


@pytest.mark.parametrize("size", [0, 1, 100_000, 256 * 1024, 256 * 1024 + 1, 5 * MEGABYTE])
@on_uvloop
async def test_a_body_of_any_size_arrives_as_it_is(size):
    body = body_of(size)
    async with playing(OK) as upstream, pool_to(upstream.origin) as pool:
        for _ in range(2):
            assert (await ask(pool, body, whole=True)).content == b"ok"
        expected = HEAD + b"content-length: %d\r\n\r\n" % size + body
        assert [request == expected for request in upstream.requests] == [True, True]
        assert upstream.connections == 1


@on_uvloop
async def test_an_upload_waits_for_a_slow_upstream_instead_of_piling_up():
    upstream = Upstream()
    queued = []

    async def play(reader, writer):
        while True:
            await reader.readuntil(b"\r\n\r\n")
            for _ in range(160):
                await reader.readexactly(MEGABYTE // 8)
                queued.append(max(connection._transport.get_write_buffer_size() for connection in pool._sockets))
                await asyncio.sleep(0.001)
            writer.write(OK)

    async with serving(play, upstream), pool_to(upstream.origin) as pool:
        assert (await ask(pool, body_of(20 * MEGABYTE), timeout_s=10, whole=True)).content == b"ok"
        assert max(queued) <= MEGABYTE
        assert pool.stats().idle == 1


@pytest.mark.parametrize("size", [10_000, 200_000, 20 * MEGABYTE])
@on_uvloop
async def test_a_refusal_in_the_middle_of_an_upload_is_read_and_ends_the_upload(size):
    upstream = Upstream()
    refusal = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 9\r\n\r\ntoo large"

    async def play(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(1000)
        writer.write(refusal)
        await asyncio.sleep(0.1)
        upstream.requests.append(b"")

    async with serving(play, upstream), pool_to(upstream.origin) as pool:
        reply = await ask(pool, body_of(size), whole=True)
        assert (reply.status, reply.content) == (413, b"too large")
        if size > MEGABYTE:
            assert pool.stats().open == 0  # half a request is on its wire


@on_uvloop
async def test_an_answer_that_starts_while_we_still_write_is_relayed_without_a_deadlock():
    """An upstream that answers as it reads (an echo): both directions are full at once."""
    upstream = Upstream()
    body = body_of(8 * MEGABYTE)

    async def play(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body))
        left = len(body)
        while left:
            piece = await reader.read(65536)
            left -= len(piece)
            writer.write(piece)
            await writer.drain()

    async with serving(play, upstream), pool_to(upstream.origin) as pool:
        reply = await ask(pool, body)
        assert await reply.body(len(body)) == body


@on_uvloop
async def test_an_upstream_that_stops_reading_times_out():
    upstream = Upstream()

    async def play(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(5)

    async with serving(play, upstream), pool_to(upstream.origin) as pool:
        with pytest.raises(UpstreamTimeout):
            await ask(pool, body_of(20 * MEGABYTE), timeout_s=0.2)
        assert pool.stats().open == 0


@on_uvloop
async def test_an_upstream_that_leaves_in_the_middle_of_an_upload_is_broken():
    upstream = Upstream()

    async def play(reader, writer):
        await reader.readexactly(100_000)

    async with serving(play, upstream), pool_to(upstream.origin) as pool:
        with pytest.raises(UpstreamBroken):
            await ask(pool, body_of(20 * MEGABYTE))
        assert pool.stats().open == 0


@on_uvloop
async def test_an_upload_can_be_cancelled():
    upstream = Upstream()

    async def play(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.1)
        while await reader.read(65536):
            pass
        upstream.left.set()

    async with serving(play, upstream), pool_to(upstream.origin) as pool:
        call = asyncio.create_task(ask(pool, body_of(20 * MEGABYTE)))
        await asyncio.sleep(0.05)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert pool.stats().open == 0
        await asyncio.wait_for(upstream.left.wait(), 20)


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
@on_uvloop
async def test_a_slow_reader_of_fifty_megabytes_holds_little_of_them(framing):
    upstream = Upstream()
    piece = body_of(64 * 1024)
    pieces = 800
    written = 0

    async def play(reader, writer):
        nonlocal written
        await read_request(reader)
        head = {
            "length": b"content-length: %d\r\n" % (pieces * len(piece)),
            "chunked": b"transfer-encoding: chunked\r\n",
            "close": b"",
        }[framing]
        writer.write(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n")
        for _ in range(pieces):
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if framing == "chunked" else piece)
            await writer.drain()
            written += len(piece)
        if framing == "chunked":
            writer.write(b"0\r\n\r\n")
        if framing == "close":
            writer.close()
            await writer.wait_closed()
        else:
            await reader.read(1)

    async with serving(play, upstream), pool_to(upstream.origin, idle_timeout_s=0.2) as pool:
        reply = await ask(pool)
        await asyncio.sleep(0.5)  # longer than the idle timeout: it is the reader who is slow, not the upstream
        assert written < 12 * MEGABYTE  # what two kernel buffers, the server's own and ours hold
        received = largest = turn = 0
        while data := await reply.chunk():
            received += len(data)
            largest = max(largest, len(data))
            turn += 1
            if turn % 50 == 0:
                await asyncio.sleep(0.005)
        assert received == reply.bytes_received == pieces * len(piece)
        assert largest <= 2 * 256 * 1024 + 64 * 1024  # the buffer's bound and one read of the socket
        assert pool.stats().open == (0 if framing == "close" else 1)


@on_uvloop
async def test_a_stream_that_paused_reading_and_was_closed_leaves_nothing():
    flood = [b"HTTP/1.1 200 OK\r\ncontent-length: 9000000\r\n\r\n" + body_of(8 * MEGABYTE), STALL]
    async with playing(flood) as upstream, pool_to(upstream.origin) as pool:
        reply = await ask(pool)
        await asyncio.sleep(0.05)
        reply.close()
        await asyncio.wait_for(upstream.left.wait(), 20)
        assert pool.stats().open == 0


@on_uvloop
async def test_a_connection_that_paused_reading_serves_the_next_request_too():
    big = body_of(3 * MEGABYTE)
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(big), big)
    async with playing(answer) as upstream, pool_to(upstream.origin) as pool:
        for _ in range(3):
            reply = await ask(pool)
            await asyncio.sleep(0.02)
            assert await read_all(reply) == big
        assert upstream.connections == 1


def connection_on(wire, books):
    connection = Connection(PoolLimits(), asyncio.get_running_loop(), "http://upstream.test", Outbox())
    connection.connection_made(wire)
    connection.keeper = books
    return connection


@on_uvloop
async def test_a_connection_with_half_a_request_on_it_is_never_used_again():
    wire, books = Wire(), Books()
    connection = connection_on(wire, books)
    connection.begin(HEAD, body_of(MEGABYTE), math.inf, whole=True)  # only announced: `upload` hasn't run
    connection.data_received(OK)
    assert (books.released_count, books.gone_count, wire.is_closed) == (0, 1, True)


@on_uvloop
async def test_an_upstream_is_watched_again_once_a_slow_reader_has_caught_up():
    wire = Wire()
    connection = connection_on(wire, Books())
    reply, _ = connection.begin(HEAD, b"{}", math.inf, whole=False)
    connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 9999999\r\n\r\n" + body_of(MEGABYTE))
    assert (wire.is_paused, connection.deadline) == (True, math.inf)
    assert await reply.chunk() == body_of(MEGABYTE)
    assert not wire.is_paused
    assert connection.deadline < math.inf
