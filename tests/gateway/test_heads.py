"""A head that came before isn't parsed again, and nobody can tell: the same requests, the same refusals."""

import asyncio
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.domain.errors import BursarError
from bursar.gateway.client import Client, ClientGone
from bursar.gateway.connection import Connection
from bursar.gateway.heads import HEAD_BYTES_MAX, Heads
from bursar.gateway.outbox import Outbox

BODY_BYTES_MAX = 1_000
Seen = tuple[str, str, bytes, list[tuple[bytes, bytes]], bytes]


class Echo:
    """Stands for the edge: notes each request and answers with its body."""

    def __init__(self) -> None:
        self.heads = Heads()
        self.outbox = Outbox()
        self.stall_s = 5.0
        self.seen: list[Seen] = []

    async def handle(self, client: Client) -> None:
        try:
            body = await client.body(BODY_BYTES_MAX)
        except ClientGone:
            return
        except BursarError as error:
            await client.reply(error.status, [(b"content-length", b"0")], b"")
            return
        head = client.head
        others = [header for header in head.headers if header[0] != b"content-length"]
        self.seen.append((head.method, head.path, head.query, others, body))
        await client.reply(200, [(b"content-length", b"%d" % len(body))], body)


class Wire(asyncio.Transport):
    """Stands for the socket."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += bytes(data)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True


async def converse(edge: Echo, pieces: list[bytes]) -> tuple[list[Seen], bytes, bool]:
    """Feed pieces to one connection: what the edge saw, what was answered, and whether the connection was ended."""
    edge.seen = []
    state = SimpleNamespace(connections=set(), tasks=set(), total_requests=0)
    connection = Connection(cast(Any, SimpleNamespace(loaded_app=edge)), cast(Any, state), {})
    wire = Wire()
    connection.connection_made(wire)
    for piece in pieces:
        await asyncio.sleep(0)
        if not wire.closed:
            connection.data_received(piece)
    for _ in range(20):
        await asyncio.sleep(0)
    connection.connection_lost(None)
    await asyncio.gather(*state.tasks)
    return edge.seen, wire.sent, wire.closed


def request(body: bytes, name: bytes = b"Content-Length", extra: bytes = b"") -> bytes:
    return (
        b"POST /v1/chat/completions?beta=true HTTP/1.1\r\nHost: a\r\n%bAuthorization: Bearer k\r\n%b: %d\r\n"
        b"content-type: application/json\r\n\r\n%b"
    ) % (extra, name, len(body), body)


def cut(data: bytes, places: set[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:stop] for start, stop in pairwise(edges) if stop > start]


@given(
    bodies=st.lists(st.binary(max_size=300), min_size=1, max_size=4),
    name=st.sampled_from([b"Content-Length", b"content-length", b"CONTENT-length"]),
    cuts=st.sets(st.integers(0, 3_000), max_size=6),
)
def test_requests_are_the_same_whether_their_head_is_known_or_not(
    bodies: list[bytes], name: bytes, cuts: set[int]
) -> None:
    async def both() -> None:
        edge = Echo()
        data = b"".join(request(body, name) for body in bodies)
        first = await converse(edge, cut(data, cuts))
        assert [seen[-1] for seen in first[0]] == bodies
        assert await converse(edge, cut(data, cuts)) == first
        assert await converse(edge, [data]) == first
        assert await converse(Echo(), [data[at : at + 1] for at in range(len(data))]) == first

    asyncio.run(both())


def test_a_head_that_came_before_is_not_parsed_again() -> None:
    async def twice() -> None:
        edge = Echo()
        await converse(edge, [request(b"one")])
        known = edge.heads.find(request(b"two times"))
        assert known is not None
        assert known.head is not None
        assert known.match(request(b"two times")) == (9, len(request(b"two times")) - 9)

    asyncio.run(twice())


def test_a_known_head_does_not_bring_the_length_of_another_request() -> None:
    async def large_then_small() -> None:
        edge = Echo()
        small = request(b"abc")
        for data in (request(b"x" * 2 * BODY_BYTES_MAX), small, small):
            seen, sent, _ = await converse(edge, [data[:-2], data[-2:]])
            assert sent.startswith(b"HTTP/1.1 200" if data is small else b"HTTP/1.1 413")
            assert len(seen) == (data is small)

    asyncio.run(large_then_small())


@pytest.mark.parametrize(
    "head",
    [
        request(b"", extra=b"Expect: 100-continue\r\n"),
        request(b"", extra=b"Connection: close\r\n"),
        request(b"", extra=b"Connection: Upgrade\r\nUpgrade: h2c\r\n"),
        request(b"").replace(b"HTTP/1.1", b"HTTP/1.0"),
        request(b"").replace(b"Host", b"Ghost"),
        request(b"", extra=b"X-Long: " + b"a" * HEAD_BYTES_MAX + b"\r\n"),
    ],
)
def test_what_changes_how_a_request_goes_on_is_parsed_each_time(head: bytes) -> None:
    async def once() -> None:
        edge = Echo()
        await converse(edge, [head])
        known = edge.heads.find(head)
        assert known is None or known.head is None

    asyncio.run(once())


@pytest.mark.parametrize(
    "length", [b"", b"+3", b"-1", b" 3 ", b"3, 3", b"0x3", b"3\x00", b"1" * 20, b"3\r\nContent-Length: 4"]
)
def test_a_known_head_with_a_length_that_is_none_is_refused_as_ever(length: bytes) -> None:
    async def refused() -> None:
        edge = Echo()
        good = request(b"abc")
        await converse(edge, [good])
        bad = good.replace(b"Content-Length: 3", b"Content-Length: " + length)
        known = await converse(edge, [bad])
        assert known == await converse(Echo(), [bad])

    asyncio.run(refused())


def test_chunked_and_length_together_are_refused_behind_a_known_head() -> None:
    async def refused() -> None:
        edge = Echo()
        await converse(edge, [request(b"abc")])
        seen, sent, closed = await converse(
            edge, [request(b"abc") + request(b"0\r\n\r\n", extra=b"Transfer-Encoding: chunked\r\n")]
        )
        assert len(seen) <= 1
        assert closed
        assert b"200 OK" not in sent.split(b"abc", 1)[-1]

    asyncio.run(refused())
