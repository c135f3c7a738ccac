"""What an upstream may answer, and what we make of it. Each case is bytes on a socket."""

import asyncio

import pytest
from tests.gateway.upstream_script import CLOSE, HEAD, OK, RESET, STALL, ask, on_uvloop, playing, pool_to, read_all

from bursar.domain.errors import UpstreamBroken, UpstreamTimeout

CHUNKED = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n6;name=value\r\n, dear\r\n0\r\nx-checksum: 1\r\n\r\n"
)


@pytest.mark.parametrize("whole", [True, False])
@on_uvloop
async def test_a_plain_answer_comes_with_its_head_and_its_connection_is_used_again(whole):
    answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nX-Empty:\r\nContent-Length: 5\r\n\r\nhello"
    async with playing(answer) as upstream, pool_to(upstream.origin) as pool:
        for _ in range(20):
            reply = await ask(pool, b'{"a":1}', whole=whole)
            body = reply.content if whole else await read_all(reply)
            assert (reply.status, body, reply.bytes_received) == (200, b"hello", 5)
            assert reply.headers == [
                (b"set-cookie", b"a"),
                (b"set-cookie", b"b"),
                (b"x-empty", b""),
                (b"content-length", b"5"),
            ]
            assert reply.first_byte_us > 0
        assert upstream.connections == 1
        assert upstream.requests[0] == HEAD + b'content-length: 7\r\n\r\n{"a":1}'
        assert (pool.stats().opened_total, pool.stats().reused_total) == (1, 19)


@pytest.mark.parametrize("whole", [True, False])
@on_uvloop
async def test_a_chunked_answer_is_the_same_however_it_is_cut(whole):
    cuts = [[CHUNKED[i : i + 1] for i in range(len(CHUNKED))], [CHUNKED[:70], 0.01, CHUNKED[70:]], [CHUNKED]]
    async with playing(*cuts) as upstream, pool_to(upstream.origin) as pool:
        for _ in cuts:
            reply = await ask(pool, whole=whole)
            assert (reply.content if whole else await read_all(reply)) == b"hello, dear"
            assert reply.headers == [(b"content-type", b"text/event-stream"), (b"transfer-encoding", b"chunked")]
        assert upstream.connections == 1


@on_uvloop
async def test_chunks_come_as_they_arrive_and_not_later():
    pieces = [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", 0.03, b"3\r\none\r\n", 0.03, b"3\r\ntwo\r\n"]
    async with playing([*pieces, 0.03, b"0\r\n\r\n"]) as upstream, pool_to(upstream.origin) as pool:
        reply = await ask(pool)
        assert [await reply.chunk(), await reply.chunk(), await reply.chunk()] == [b"one", b"two", b""]
        assert await reply.chunk() == b""  # and stays at the end
        reply.close()
        assert pool.stats().idle == 1


@on_uvloop
async def test_informational_answers_are_skipped():
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
    async with playing([early, 0.02, OK], [early + OK]) as upstream, pool_to(upstream.origin) as pool:
        for _ in range(2):
            reply = await ask(pool, whole=True)
            assert (reply.status, reply.content, reply.headers) == (200, b"ok", [(b"content-length", b"2")])
        assert upstream.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n\x81\x05hello",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + OK,
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\nok",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x16" * 10,
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nname with space: x\r\ncontent-length: 0\r\n\r\n",
    ],
)
@on_uvloop
async def test_what_is_not_an_answer_to_our_request_breaks_it(answer):
    async with playing(answer) as upstream, pool_to(upstream.origin) as pool:
        with pytest.raises(UpstreamBroken):
            await ask(pool, whole=True)
        assert pool.stats().open == 0


@pytest.mark.parametrize(
    ("steps", "started"),
    [
        ([CLOSE], False),
        ([RESET], False),
        ([b"HTTP/1.1 200", CLOSE], False),
        ([b"HTTP/1.1 200 OK\r\ncontent-le", RESET], False),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello", CLOSE], True),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello", 0.05, RESET], True),
        ([b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", CLOSE], True),
        ([b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n", CLOSE], True),
    ],
)
@on_uvloop
async def test_a_broken_answer_says_whether_it_had_started(steps, started):
    async with playing(steps) as upstream, pool_to(upstream.origin) as pool:
        with pytest.raises(UpstreamBroken) as raised:
            await ask(pool, whole=True)
        assert raised.value.response_started is started
        assert len(upstream.requests) == 1  # never sent a second time: it may have been billed
        if started:
            reply = await ask(pool)
            assert await reply.chunk() == b"hello"  # what came is handed out before the fault
            with pytest.raises(UpstreamBroken):
                await reply.chunk()


@on_uvloop
async def test_a_body_that_ends_with_its_connection_is_whole():
    endings = [
        [b"HTTP/1.1 200 OK\r\n\r\nhel", 0.02, b"lo", CLOSE],
        [b"HTTP/1.0 200 OK\r\n\r\nhello", CLOSE],
        [b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nhello", CLOSE],
    ]
    async with playing(*endings) as upstream, pool_to(upstream.origin) as pool:
        for count in (1, 2, 3):
            reply = await ask(pool, whole=True)
            assert reply.content == b"hello"
            assert upstream.connections == count


@on_uvloop
async def test_a_body_that_should_end_with_its_connection_is_broken_by_a_reset():
    async with playing([b"HTTP/1.1 200 OK\r\n\r\nhello", 0.05, RESET]) as upstream, pool_to(upstream.origin) as pool:
        with pytest.raises(UpstreamBroken) as raised:
            await ask(pool, whole=True)
        assert raised.value.response_started


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
        OK + b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
        OK + b"x",
        b"HTTP/1.1 304 Not Modified\r\ncontent-length: 2\r\n\r\n",
    ],
    ids=["close", "http-1.0", "second-answer", "stray-byte", "304-with-length"],
)
@on_uvloop
async def test_a_connection_that_may_not_be_used_again_is_not(answer):
    async with playing(answer) as upstream, pool_to(upstream.origin) as pool:
        for count in (1, 2):
            reply = await ask(pool, whole=True)
            assert reply.content == (b"" if reply.status == 304 else b"ok")
            assert (upstream.connections, pool.stats().open) == (count, 0)


@on_uvloop
async def test_an_answer_nobody_asked_for_closes_an_idle_connection():
    async with playing([OK, 0.05, OK], OK) as upstream, pool_to(upstream.origin) as pool:
        await ask(pool, whole=True)
        assert pool.stats().idle == 1
        await asyncio.sleep(0.1)
        assert pool.stats().open == 0
        reply = await ask(pool, whole=True)
        assert (reply.content, upstream.connections) == (b"ok", 2)


@on_uvloop
async def test_http_1_0_with_keep_alive_is_used_again():
    answer = b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok"
    async with playing(answer) as upstream, pool_to(upstream.origin) as pool:
        for _ in range(3):
            assert (await ask(pool, whole=True)).content == b"ok"
        assert upstream.connections == 1


@on_uvloop
async def test_answers_without_a_body_end_with_their_head():
    head = b"HEAD / HTTP/1.1\r\nhost: upstream.test\r\n"
    none = b"HTTP/1.1 204 No Content\r\n\r\n"
    length = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n"
    async with playing(none, none, length) as upstream, pool_to(upstream.origin) as pool:
        for _ in range(2):
            assert (await ask(pool, whole=True)).content == b""
        assert upstream.connections == 1
        reply = await ask(pool, b"", head=head)
        assert (reply.status, await reply.body(10)) == (200, b"")
        assert upstream.requests[-1] == head + b"\r\n"


@on_uvloop
async def test_a_get_announces_no_body_and_an_empty_post_does():
    async with playing(OK) as upstream, pool_to(upstream.origin) as pool:
        await ask(pool, b"", head=b"GET /v1/models HTTP/1.1\r\nhost: upstream.test\r\n", whole=True)
        await ask(pool, b"", whole=True)
        assert upstream.requests[0] == b"GET /v1/models HTTP/1.1\r\nhost: upstream.test\r\n\r\n"
        assert upstream.requests[1] == HEAD + b"content-length: 0\r\n\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 200_000 + b"\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 2_000 + b"content-length: 2\r\n\r\nok",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 50_000 + OK,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n" + b"x: y\r\n" * 200_000 + b"\r\n",
    ],
    ids=["one-huge-header", "many-headers", "endless-100", "endless-trailers"],
)
@on_uvloop
async def test_headers_have_a_bound(answer):
    async with playing(answer) as upstream, pool_to(upstream.origin, head_bytes_max=8 * 1024) as pool:
        with pytest.raises(UpstreamBroken):
            await (await ask(pool)).body(10)
        assert pool.stats().open == 0


@on_uvloop
async def test_a_slow_first_byte_and_a_stall_are_told_apart():
    stall = [b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello", STALL]
    async with playing([STALL], stall) as upstream, pool_to(upstream.origin, idle_timeout_s=0.1) as pool:
        for stage in ("first_byte", "idle"):
            with pytest.raises(UpstreamTimeout) as raised:
                await ask(pool, timeout_s=0.1, whole=True)
            assert raised.value.stage == stage
        reply = await ask(pool)
        assert await reply.chunk() == b"hello"
        with pytest.raises(UpstreamTimeout):
            await reply.chunk()
        await asyncio.wait_for(upstream.left.wait(), 20)
        assert pool.stats().open == 0


@on_uvloop
async def test_a_slow_answer_within_its_limits_is_not_cut():
    slow = [0.2, b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n", 0.2, b"a", 0.2, b"b", 0.2, b"cd"]
    async with playing(slow) as upstream, pool_to(upstream.origin, idle_timeout_s=0.3) as pool:
        assert (await ask(pool, timeout_s=0.3, whole=True)).content == b"abcd"


@on_uvloop
async def test_body_is_bounded():
    async with playing(OK) as upstream, pool_to(upstream.origin) as pool:
        reply = await ask(pool)
        assert await reply.body(2) == b"ok"
        reply = await ask(pool)
        with pytest.raises(UpstreamBroken):
            await reply.body(1)


@on_uvloop
async def test_a_whole_answer_too_large_to_hold_is_handed_over_unread():
    body = bytes(range(256)) * 4096
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    async with playing(answer) as upstream, pool_to(upstream.origin, buffer_bytes_max=64 * 1024) as pool:
        reply = await ask(pool, whole=True)
        assert (reply.status, reply.content) == (200, None)
        assert await reply.body(len(body)) == body
        assert pool.stats().idle == 1


@on_uvloop
async def test_a_tap_takes_pieces_as_they_come_and_gives_back_the_one_it_refuses():
    pieces = [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n"]
    for text in (b"two", b"six", b"ten"):
        pieces += [0.03, b"3\r\n%b\r\n" % text]
    taken = []

    def tap(piece: bytes) -> bool:
        if piece == b"six":
            return False
        taken.append(piece)
        return True

    async with playing([*pieces, 0.03, b"0\r\n\r\n"]) as upstream, pool_to(upstream.origin) as pool:
        reply = await ask(pool)
        returned = []
        while piece := await reply.chunk(tap):
            returned.append(piece)
        assert (returned, taken) == ([b"one", b"six"], [b"two", b"ten"])
        assert reply.bytes_received == len(b"onetwosixten")
        assert pool.stats().idle == 1


@on_uvloop
async def test_a_tap_is_not_called_once_nobody_waits_for_a_piece():
    act = [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n", 0.05, b"3\r\ntwo\r\n", STALL]
    taken = []
    async with playing(act) as upstream, pool_to(upstream.origin) as pool:
        reply = await ask(pool)
        assert await reply.chunk(lambda piece: not taken.append(piece)) == b"one"
        assert await reply.chunk() == b"two"
        assert taken == []
        waiting = asyncio.ensure_future(reply.chunk(lambda piece: not taken.append(piece)))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert reply.source is None


@on_uvloop
async def test_what_a_tap_took_is_not_returned_again_when_the_answer_breaks_off():
    act = [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n", 0.03, b"3\r\ntwo\r\n", 0.03, CLOSE]
    taken = []
    async with playing(act) as upstream, pool_to(upstream.origin) as pool:
        reply = await ask(pool)
        assert await reply.chunk(lambda piece: not taken.append(piece)) == b"one"
        with pytest.raises(UpstreamBroken):
            await reply.chunk(lambda piece: not taken.append(piece))
        assert taken == [b"two"]
        assert reply.bytes_received == 6
