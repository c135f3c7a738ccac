"""Any bytes, cut anywhere: the same answer for the same bytes, only our own errors, no connection lost from count."""

import asyncio
import itertools
import random

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.gateway.upstream_script import HEAD, Books, Upstream, Wire, ask, on_uvloop, pool_to, read_request, serving

from bursar.domain.errors import BursarError, UpstreamBroken
from bursar.gateway.outbox import Outbox
from bursar.gateway.upstream import PoolLimits
from bursar.gateway.upstream_connection import Connection

VALID = [
    b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\nx-a: b\r\n\r\nhello world",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nA;q=1\r\n0123456789\r\n0\r\nx-t: 1\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\nserver: x\r\n\r\n",
    b"HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\nContent-Length: 4\r\n\r\noops",
    b"HTTP/1.0 200 OK\r\n\r\nuntil the end of the connection",
]
SYNTAX = [b"\r\n", b"\n", b"\r\n\r\n", b": ", b"0\r\n\r\n", b"HTTP/1.1 200 OK\r\n"]
LIMITS = PoolLimits(head_bytes_max=512, buffer_bytes_max=64)


async def exchange(pieces, *, whole):
    """Feed pieces as a socket would, then its end. What came of it, in values."""
    wire, books = Wire(), Books()
    connection = Connection(LIMITS, asyncio.get_running_loop(), "http://upstream.test", Outbox())
    connection.connection_made(wire)
    connection.keeper = books
    reply, arrived = connection.begin(HEAD, b"{}", 0.0, whole=whole)

    async def read():
        await arrived
        if reply.fault is not None and (whole or not reply.status):
            raise reply.fault
        return reply.content if reply.content is not None else await reply.body(10_000_000)

    reader = asyncio.ensure_future(read())
    for piece in pieces:
        for _ in range(10):
            if not wire.is_paused:
                break
            await asyncio.sleep(0)  # the reader takes what is there, and the socket goes on
        if not wire.is_closed:
            connection.data_received(piece)
    for _ in range(10):
        if not wire.is_paused:
            break
        await asyncio.sleep(0)
    connection.connection_lost(None)
    try:
        outcome = await asyncio.wait_for(reader, 20)
    except UpstreamBroken as error:
        outcome = ("broken", error.response_started)
    assert (books.gone_count, books.closed_count) == (1, 1)
    assert books.released_count <= 1
    assert reply.source is None
    return reply.status, reply.headers, outcome, books.released_count


def run(coroutine):
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(coroutine)


def cut(data, cuts):
    places = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(places) if end > start]


@settings(max_examples=60, deadline=None)
@given(
    answer=st.sampled_from(VALID),
    cuts=st.sets(st.integers(1, 200)),
    whole=st.booleans(),
)
def test_an_answer_does_not_depend_on_how_it_was_cut(answer, cuts, whole):
    assert run(exchange(cut(answer, cuts), whole=whole)) == run(exchange([answer], whole=whole))


@pytest.mark.parametrize("answer", VALID)
def test_an_answer_does_not_depend_on_whether_it_is_asked_for_whole(answer):
    in_one = run(exchange([answer], whole=True))
    assert in_one == run(exchange([answer], whole=False))
    assert isinstance(in_one[2], bytes)


@settings(max_examples=150, deadline=None)
@given(
    answer=st.sampled_from(VALID),
    place=st.integers(0, 120),
    removed=st.integers(0, 8),
    inserted=st.binary(max_size=8)
    | st.sampled_from([b"\r\n", b"\n", b"\r\n\r\n", b": ", b"0\r\n\r\n", b"HTTP/1.1 200 OK\r\n"]),
    cuts=st.sets(st.integers(1, 200), max_size=5),
    whole=st.booleans(),
)
def test_a_damaged_answer_is_an_answer_or_broken_and_never_anything_else(answer, place, removed, inserted, cuts, whole):
    damaged = answer[:place] + inserted + answer[place + removed :]
    status, headers, outcome, _ = run(exchange(cut(damaged, cuts), whole=whole))
    assert isinstance(outcome, bytes) or outcome == ("broken", status != 0)
    assert all(name == name.lower() for name, _ in headers)


@settings(max_examples=100, deadline=None)
@given(pieces=st.lists(st.binary(min_size=1, max_size=200), max_size=10), whole=st.booleans())
def test_any_bytes_are_an_answer_or_broken_and_never_anything_else(pieces, whole):
    status, _, outcome, _ = run(exchange(pieces, whole=whole))
    assert isinstance(outcome, bytes) or outcome == ("broken", status != 0)


@on_uvloop
async def test_garbage_on_real_sockets_never_hangs_and_leaks_no_slot():
    dice = random.Random(20)

    async def play(reader, writer):
        while True:
            await read_request(reader)
            answer = bytearray(dice.choice(VALID))
            for _ in range(dice.randrange(3)):
                answer[dice.randrange(len(answer))] = dice.randrange(256)
            middle = dice.randrange(len(answer))
            writer.write(bytes(answer[:middle]))
            await asyncio.sleep(0)
            writer.write(bytes(answer[middle:]))
            if dice.random() < 0.6:
                writer.close()
                return

    async def client():
        for turn in range(40):
            with_error = None
            try:
                reply = await ask(pool, timeout_s=0.1, whole=bool(turn % 2))
                if reply.content is None:
                    await reply.body(10_000)
            except BursarError as error:
                with_error = error
            outcomes.append(with_error)

    outcomes = []
    upstream = Upstream()
    async with (
        serving(play, upstream),
        pool_to(upstream.origin, connections_max=4, idle_timeout_s=0.1) as pool,
    ):
        await asyncio.wait_for(asyncio.gather(*(client() for _ in range(8))), 20)
        await asyncio.sleep(0.05)
        assert pool.stats().open == pool.stats().idle <= 4
    assert None in outcomes
    assert any(isinstance(outcome, UpstreamBroken) for outcome in outcomes)
