"""How connections are shared: reused, bounded, queued for, watched and given back, whatever happens to their users."""

import asyncio
import time

import pytest
from tests.gateway.upstream_script import (
    CLOSE,
    OK,
    RESET,
    STALL,
    Upstream,
    ask,
    on_uvloop,
    playing,
    pool_to,
    read_all,
    read_request,
    serving,
)

from bursar.domain.errors import Overloaded, UpstreamBroken, UpstreamTimeout, UpstreamUnreachable
from bursar.gateway.upstream import Origin

SLOW_OK = [0.05, OK]


async def settled() -> None:
    """Let the other side see what we did."""
    await asyncio.sleep(0.05)


@on_uvloop
async def test_many_calls_share_no_more_connections_than_were_ever_needed_at_once():
    async with playing(OK) as upstream, pool_to(upstream.origin) as pool:
        for _ in range(10):
            replies = await asyncio.gather(*(ask(pool, whole=True) for _ in range(8)))
            assert all(reply.content == b"ok" for reply in replies)
        assert upstream.connections == pool.stats().opened_total == 8
        assert pool.stats().reused_total == 72


@on_uvloop
async def test_the_connection_used_last_is_used_next():
    async with playing(OK) as upstream, pool_to(upstream.origin, connection_idle_s=0.15) as pool:
        await asyncio.gather(*(ask(pool, whole=True) for _ in range(5)))
        for _ in range(10):
            await ask(pool, whole=True)
            await asyncio.sleep(0.03)
        assert (pool.stats().open, upstream.open_now) == (1, 1)  # the other four have expired in the meantime


@on_uvloop
async def test_calls_beyond_the_bound_wait_their_turn_first_come_first_served():
    order = []

    async def call(number):
        await ask(pool, b"%d" % number, whole=True)
        order.append(number)

    async with playing([0.01, OK]) as upstream, pool_to(upstream.origin, connections_max=2, waiting_max=20) as pool:
        calls = []
        for number in range(12):
            calls.append(asyncio.create_task(call(number)))
            await asyncio.sleep(0)
        await asyncio.sleep(0.005)
        assert pool.stats().waiting == 10
        await asyncio.gather(*calls)
        assert [request[-2:].strip() for request in upstream.requests] == [b"%d" % n for n in range(12)]
        assert order == sorted(order)
        assert upstream.connections == 2


@on_uvloop
async def test_a_full_queue_refuses_at_once():
    async with playing(SLOW_OK) as upstream, pool_to(upstream.origin, connections_max=1, waiting_max=1) as pool:
        first, second = asyncio.create_task(ask(pool, whole=True)), asyncio.create_task(ask(pool, whole=True))
        await asyncio.sleep(0.01)
        with pytest.raises(Overloaded):
            await ask(pool)
        assert (await first).content == (await second).content == b"ok"


@on_uvloop
async def test_waiting_for_a_connection_ends_in_time():
    async with playing([STALL]) as upstream, pool_to(upstream.origin, connections_max=1) as pool:
        first = asyncio.create_task(ask(pool))
        await asyncio.sleep(0.01)
        with pytest.raises(Overloaded):
            await ask(pool, timeout_s=0.05)
        first.cancel()
        assert len(upstream.requests) == 1


@on_uvloop
async def test_a_call_that_leaves_the_queue_holds_up_nobody():
    async with playing(SLOW_OK) as upstream, pool_to(upstream.origin, connections_max=1) as pool:
        calls = [asyncio.create_task(ask(pool, whole=True)) for _ in range(4)]
        await asyncio.sleep(0.01)
        calls[1].cancel()
        calls[2].cancel()
        assert (await calls[3]).content == b"ok"
        assert (pool.stats().waiting, upstream.connections, len(upstream.requests)) == (0, 1, 2)


@on_uvloop
async def test_a_connection_granted_to_a_call_cancelled_in_that_moment_goes_to_the_next():
    async with playing(OK) as upstream, pool_to(upstream.origin, connections_max=1) as pool:
        reply = await ask(pool, whole=True)
        connection = pool._take_idle(time.monotonic())
        calls = [asyncio.create_task(ask(pool, whole=True)) for _ in range(2)]
        await asyncio.sleep(0)
        pool.released(connection)  # grants it to the first
        calls[0].cancel()
        reply = await calls[1]
        assert reply.content == b"ok"
        assert (pool.stats().open, pool.stats().idle, upstream.connections) == (1, 1, 1)


@on_uvloop
async def test_a_connection_that_dies_on_its_way_to_a_waiting_call_is_replaced():
    async with playing(OK) as upstream, pool_to(upstream.origin, connections_max=1) as pool:
        await ask(pool, whole=True)
        connection = pool._take_idle(time.monotonic())
        calls = [asyncio.create_task(ask(pool, b"%d" % number, whole=True)) for number in range(3)]
        await asyncio.sleep(0)
        pool.released(connection)  # to the first
        connection.shut()  # its slot goes to the second; the first is next, still before the third
        assert [(await call).content for call in calls] == [b"ok", b"ok", b"ok"]
        assert [request[-1:] for request in upstream.requests[1:]] == [b"1", b"0", b"2"]
        assert (pool.stats().open, upstream.connections) == (1, 2)


@on_uvloop
async def test_a_cancelled_request_closes_its_connection_and_frees_its_slot():
    async with playing([STALL], OK) as upstream, pool_to(upstream.origin, connections_max=1) as pool:
        call = asyncio.create_task(ask(pool, whole=True))
        await settled()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.wait_for(upstream.left.wait(), 20)
        assert pool.stats().open == 0
        assert (await ask(pool, whole=True)).content == b"ok"


@on_uvloop
async def test_a_request_cancelled_in_the_moment_its_answer_arrives_harms_no_other():
    async with playing(OK) as upstream, pool_to(upstream.origin, connections_max=1) as pool:
        await ask(pool, whole=True)
        for yields in range(30):  # whichever step of the loop the answer arrives in
            first = asyncio.create_task(ask(pool, whole=True))
            for _ in range(yields):
                await asyncio.sleep(0)
            first.cancel()
            second = asyncio.create_task(ask(pool, whole=True))
            assert (await asyncio.wait_for(second, 20)).content == b"ok"
            await asyncio.gather(first, return_exceptions=True)
            assert pool.stats().open == pool.stats().idle == 1


@on_uvloop
async def test_closing_an_unread_reply_closes_the_upstream_socket():
    endless = [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", STALL]
    async with playing(endless) as upstream, pool_to(upstream.origin) as pool:
        reply = await ask(pool)
        assert await reply.chunk() == b"hello"
        reply.close()
        reply.close()
        with pytest.raises(UpstreamBroken):  # never b"": it would look like a complete answer
            await reply.chunk()
        await asyncio.wait_for(upstream.left.wait(), 20)
        assert pool.stats().open == 0


@on_uvloop
async def test_a_reader_cancelled_in_the_middle_of_a_stream_closes_the_upstream_socket():
    endless = [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", STALL]
    async with playing(endless) as upstream, pool_to(upstream.origin) as pool:
        reader = asyncio.create_task(read_all(await ask(pool)))
        await settled()
        reader.cancel()
        await asyncio.wait_for(upstream.left.wait(), 20)
        assert pool.stats().open == 0


@on_uvloop
async def test_idle_connections_expire():
    async with playing(OK) as upstream, pool_to(upstream.origin, connection_idle_s=0.05) as pool:
        await ask(pool, whole=True)
        assert pool.stats().idle == 1
        async with asyncio.timeout(5):
            while (pool.stats().open, upstream.open_now) != (0, 0):  # noqa: ASYNC110  # the kernel tells nobody
                await asyncio.sleep(0.02)
        await ask(pool, whole=True)
        assert upstream.connections == 2


@on_uvloop
async def test_an_idle_connection_past_its_age_is_not_used_even_if_nobody_has_looked_yet():
    async with playing(OK) as upstream, pool_to(upstream.origin, connection_idle_s=0.05, tick_s=60) as pool:
        await ask(pool, whole=True)
        await asyncio.sleep(0.1)
        assert pool.stats().idle == 1
        await ask(pool, whole=True)
        assert upstream.connections == 2


@pytest.mark.parametrize("end", [CLOSE, RESET])
@on_uvloop
async def test_an_idle_connection_that_the_upstream_closed_is_replaced_silently(end):
    async with playing([OK, 0.02, end], OK) as upstream, pool_to(upstream.origin) as pool:
        assert (await ask(pool, whole=True)).content == b"ok"
        await asyncio.sleep(0.1)
        assert pool.stats().open == 0
        assert (await ask(pool, whole=True)).content == b"ok"
        assert upstream.connections == 2


@on_uvloop
async def test_a_close_that_the_loop_has_not_seen_yet_is_found_before_the_request_is_written():
    """The upstream is another process here, as far as the loop can tell: it closes while the loop is busy."""
    import socket
    import threading

    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(5)
    seen = []

    def serve():
        for _ in range(2):
            peer, _ = listener.accept()
            seen.append(peer.recv(65536))
            peer.sendall(OK)
            time.sleep(0.05)
            peer.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        async with pool_to(Origin.parse(f"http://127.0.0.1:{listener.getsockname()[1]}")) as pool:
            await ask(pool, whole=True)
            time.sleep(0.1)  # noqa: ASYNC251 - the loop is busy with something else
            assert (await ask(pool, whole=True)).content == b"ok"
            assert len(seen) == 2
    finally:
        thread.join(5)
        listener.close()


@on_uvloop
async def test_a_connection_reset_after_our_write_is_never_retried():
    async with playing(OK, [RESET], OK) as upstream, pool_to(upstream.origin) as pool:
        await ask(pool, whole=True)
        with pytest.raises(UpstreamBroken) as raised:
            await ask(pool, whole=True)  # on a used connection: the upstream had the request, so it may have billed
        assert not raised.value.response_started
        assert len(upstream.requests) == 2


@on_uvloop
async def test_nobody_listening_is_unreachable_and_leaves_no_slot():
    import socket

    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        origin = Origin.parse(f"http://127.0.0.1:{unused.getsockname()[1]}")
        async with pool_to(origin, connections_max=1) as pool:
            calls = await asyncio.gather(*(ask(pool) for _ in range(5)), return_exceptions=True)
            assert all(isinstance(error, UpstreamUnreachable) for error in calls)
            assert pool.stats().open == 0


@on_uvloop
async def test_a_name_that_does_not_resolve_is_unreachable():
    async with pool_to(Origin.parse("http://no-such-host.invalid")) as pool:
        with pytest.raises(UpstreamUnreachable):
            await ask(pool)


@on_uvloop
async def test_a_connection_that_does_not_come_about_in_time_is_unreachable():
    import socket

    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        origin = Origin.parse(f"http://127.0.0.1:{full.getsockname()[1]}")
        fillers = []
        for _ in range(4):  # the accept queue is full: the kernel drops what comes after
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
            fillers.append(filler)
        async with pool_to(origin, connect_timeout_s=0.1) as pool:
            with pytest.raises(UpstreamUnreachable) as raised:
                await ask(pool)
            assert "0.1 s" in raised.value.message
            assert pool.stats().open == 0
        for filler in fillers:
            filler.close()


@on_uvloop
async def test_cancelling_while_connecting_leaves_no_slot():
    async with playing(OK) as upstream, pool_to(upstream.origin) as pool:
        for yields in range(8):
            call = asyncio.create_task(ask(pool, whole=True))
            for _ in range(yields):
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            assert pool.stats().open == pool.stats().idle
        await settled()
        assert upstream.open_now == pool.stats().open


@on_uvloop
async def test_a_timeout_frees_the_slot_for_the_next_in_line():
    async with playing([STALL], OK) as upstream, pool_to(upstream.origin, connections_max=1) as pool:
        slow = asyncio.create_task(ask(pool, timeout_s=0.1))
        await asyncio.sleep(0.01)
        next_one = asyncio.create_task(ask(pool, timeout_s=1.0, whole=True))
        with pytest.raises(UpstreamTimeout):
            await slow
        assert (await next_one).content == b"ok"
        assert upstream.connections == 2


@on_uvloop
async def test_closing_the_pool_lets_requests_under_way_end():
    async with playing(SLOW_OK) as upstream, pool_to(upstream.origin, connections_max=2) as pool:
        under_way = [asyncio.create_task(ask(pool, whole=True)) for _ in range(2)]
        waiting = asyncio.create_task(ask(pool))
        await asyncio.sleep(0.02)
        await pool.close(grace_s=2.0)
        assert [(await call).content for call in under_way] == [b"ok", b"ok"]
        for late in (waiting, ask(pool)):
            with pytest.raises(UpstreamUnreachable):
                await late
        assert pool.stats().open == 0


@on_uvloop
async def test_a_pool_closed_while_it_connects_sends_nothing():
    async with playing(OK) as upstream, pool_to(upstream.origin) as pool:
        call = asyncio.create_task(ask(pool, whole=True))
        await asyncio.sleep(0)
        await pool.close(grace_s=0.0)
        with pytest.raises(UpstreamUnreachable):
            await call
        assert upstream.requests == []


@on_uvloop
async def test_closing_the_pool_cuts_what_does_not_end():
    async with playing([STALL]) as upstream, pool_to(upstream.origin) as pool:
        call = asyncio.create_task(ask(pool))
        await asyncio.sleep(0.02)
        await pool.close(grace_s=0.05)
        with pytest.raises(UpstreamBroken):
            await call
        assert upstream.left.is_set()


@on_uvloop
async def test_two_thousand_requests_in_a_storm_of_faults_leak_nothing():
    """A tenth each: closed, reset, cut in the middle, cancelled; the rest is answered."""
    upstream = Upstream()
    acts = [[OK], [OK], [OK, CLOSE], [RESET], [OK[:30], CLOSE], [0.005, OK], [OK[:-1], 0.002, OK[-1:]], [OK]]

    async def play(reader, writer):
        while True:
            upstream.requests.append(await read_request(reader))
            for step in acts[len(upstream.requests) % len(acts)]:
                if isinstance(step, float):
                    await asyncio.sleep(step)
                elif isinstance(step, bytes):
                    writer.write(step)
                else:
                    writer.close()
                    return

    async def client(number):
        outcomes = []
        for turn in range(50):
            call = asyncio.create_task(ask(pool, whole=bool(turn % 2)))
            if (number + turn) % 10 == 0:
                await asyncio.sleep(0.001)
                call.cancel()
            try:
                reply = await call
                outcomes.append(reply.content if reply.content is not None else await read_all(reply))
            except (UpstreamBroken, asyncio.CancelledError):
                outcomes.append(None)
        return outcomes

    async with serving(play, upstream), pool_to(upstream.origin, connections_max=16) as pool:
        outcomes = [outcome for many in await asyncio.gather(*(client(n) for n in range(40))) for outcome in many]
        assert set(outcomes) == {b"ok", None}
        assert outcomes.count(b"ok") > 1000
        await settled()
        stats = pool.stats()
        assert stats.open == stats.idle <= 16
        assert stats.waiting == 0
