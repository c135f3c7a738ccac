"""One end of a websocket, and the upgrade to it, cut in every way."""

import asyncio
import base64
import os
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN, Protocol, Side
from websockets.utils import accept_key

from bursar.domain.errors import BadRequest, UpgradeRequired, UpstreamBroken
from bursar.gateway.heads import Head
from bursar.gateway.websocket import QUEUED_BYTES_MAX, End, clipped, text_of
from bursar.gateway.websocket_open import UpstreamEnd, read_offer, switching, with_key_as_header

ACCEPT = accept_key(base64.b64encode(bytes(16)).decode())


class Wire(asyncio.Transport):
    """A transport that only remembers."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_paused = self.is_closed = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return self.is_closed

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.is_closed = True

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = True


def frames_of(messages: list[list[bytes]]) -> bytes:
    """Messages of a client, each in the pieces given, with a ping in between."""
    peer = Protocol(Side.CLIENT, state=OPEN, max_size=None)
    for pieces in messages:
        for number, piece in enumerate(pieces):
            is_last = number == len(pieces) - 1
            if number:
                peer.send_continuation(piece, is_last)
            else:
                peer.send_text(piece, is_last)
            if not is_last:
                peer.send_ping(b"!")
    return b"".join(peer.data_to_send())


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    marks = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(marks) if b > a]


async def heard(pieces: list[bytes]) -> tuple[list[list[bytes]], bytes]:
    end, wire = End(Side.SERVER, 1.0), Wire()
    end.connection_made(wire)
    for piece in pieces:
        end.data_received(piece)
    end.connection_lost(None)
    found = []
    while (message := await end.receive()) is not None:
        found.append([bytes(frame.data) for frame in message])
    return found, wire.written


MESSAGES = st.lists(st.lists(st.text(max_size=40).map(str.encode), min_size=1, max_size=5), min_size=1, max_size=6)


@settings(max_examples=150, deadline=None)
@given(messages=MESSAGES, cuts=st.lists(st.integers(0, 2000), max_size=12))
def test_messages_do_not_depend_on_how_their_bytes_were_cut(messages: list[list[bytes]], cuts: list[int]):
    data = frames_of(messages)
    found, written = asyncio.run(heard(split(data, cuts)))
    assert found == messages
    pongs = sum(len(pieces) - 1 for pieces in messages)
    assert written == Frame(Opcode.PONG, b"!").serialize(mask=False) * pongs


def test_a_message_is_the_same_cut_at_every_byte_and_gone_with_any_byte_missing():
    data = frames_of([[b'{"type":', b'"response.create"}']])

    async def every() -> None:
        for at in range(len(data)):
            assert (await heard([data[:at], data[at:]]))[0] == [[b'{"type":', b'"response.create"}']]
            assert (await heard([data[:at]]))[0] == []
        assert (await heard([data[at : at + 1] for at in range(len(data))]))[0] != []

    asyncio.run(every())


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=300))
def test_any_bytes_are_read_or_end_the_connection(data: bytes):
    async def feed() -> None:
        end = End(Side.SERVER, 1.0)
        end.connection_made(Wire())
        end.data_received(data)
        end.data_received(data)
        end.connection_lost(None)
        while await end.receive() is not None:
            pass
        assert end.closing is not None

    asyncio.run(feed())


async def test_what_nobody_takes_stops_the_reading_and_empty_frames_count():
    end, wire = End(Side.SERVER, 1.0), Wire()
    end.connection_made(wire)
    piece = frames_of([[b"x" * 10_000]])
    sent = 0
    while not wire.is_paused:
        end.data_received(piece)
        sent += 1
    assert sent <= QUEUED_BYTES_MAX / 10_000 + 1
    for _ in range(sent):
        assert await end.receive() is not None
    assert not wire.is_paused
    peer = Protocol(Side.CLIENT, state=OPEN)
    peer.send_text(b"", False)
    for _ in range(5000):
        peer.send_continuation(b"", False)
    end.data_received(b"".join(peer.data_to_send()))
    assert await end.receive() is None
    assert end.closing is not None
    assert end.closing.code == 1009


async def test_a_peer_that_pings_and_does_not_read_is_not_read_either():
    end, wire = End(Side.SERVER, 1.0), Wire()
    end.connection_made(wire)
    end.pause_writing()
    end.data_received(Frame(Opcode.PING, b"?").serialize(mask=True))
    assert wire.is_paused
    end.resume_writing()
    assert not wire.is_paused


async def test_sending_waits_for_a_peer_that_does_not_read_and_gives_up_in_the_end():
    end, wire = End(Side.SERVER, 0.05), Wire()
    end.connection_made(wire)
    end.pause_writing()
    waiting = asyncio.create_task(end.send([Frame(Opcode.TEXT, b"one", True)]))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    end.resume_writing()
    assert await waiting
    end.pause_writing()
    assert not await end.send([Frame(Opcode.TEXT, b"two", True)])
    assert wire.is_closed


def answer_of(*, status: str = "101 Switching Protocols", accept: str = ACCEPT, more: str = "") -> bytes:
    return (
        f"HTTP/1.1 {status}\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
        f"sec-websocket-accept: {accept}\r\n{more}\r\n"
    ).encode()


async def asked(pieces: list[bytes]) -> tuple[UpstreamEnd, Wire]:
    end, wire = UpstreamEnd("provider", ACCEPT.encode(), [b"realtime"], 1.0), Wire()
    end.connection_made(wire)
    for piece in pieces:
        end.data_received(piece)
    return end, wire


def test_the_upgrade_upstream_is_the_same_cut_at_every_byte_with_frames_behind_it():
    peer = Protocol(Side.SERVER, state=OPEN)
    peer.send_text(b'{"type":"session.created"}')
    data = answer_of(more="sec-websocket-protocol: realtime\r\n") + b"".join(peer.data_to_send())

    async def every() -> None:
        for at in range(len(data)):
            end, _ = await asked([data[:at], data[at:]])
            opened = await end.answered
            assert (opened.end, opened.status, opened.protocol) == (end, 101, b"realtime")
            message = await end.receive()
            assert message is not None
            assert text_of(message) == b'{"type":"session.created"}'
        end, _ = await asked([data[at : at + 1] for at in range(len(data))])
        assert (await end.answered).status == 101

    asyncio.run(every())


@pytest.mark.parametrize(
    "data",
    [
        answer_of(accept="wrong"),
        answer_of(more="sec-websocket-extensions: permessage-deflate\r\n"),
        answer_of(more="sec-websocket-protocol: nobody-asked\r\n"),
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        b"\x16\x03\x01 this is TLS",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    ],
)
async def test_an_upgrade_upstream_that_is_none_is_broken(data: bytes):
    end, wire = await asked([data])
    end.connection_lost(None)
    with pytest.raises(UpstreamBroken):
        await end.answered
    assert wire.is_closed


async def test_a_refusal_upstream_is_heard_to_its_end_whichever_way_it_ends():
    body = b'{"error":{"code":"invalid_api_key"}}'
    end, _ = await asked([b"HTTP/1.1 401 Unauthorized\r\ncontent-length: %d\r\n\r\n" % len(body), body])
    assert (await end.answered)[1:4:2] == (401, body)
    end, _ = await asked([b"HTTP/1.1 401 Unauthorized\r\nconnection: close\r\n\r\n", body])
    end.connection_lost(None)
    assert (await end.answered)[1:4:2] == (401, body)


# -- the client's side -------------------------------------------------------------------------------------------------

HEADERS = [
    (b"upgrade", b"WebSocket"),
    (b"sec-websocket-key", base64.b64encode(os.urandom(16))),
    (b"sec-websocket-version", b"13"),
]


def head(*more: tuple[bytes, bytes]) -> Head:
    return Head("GET", "/v1/realtime", b"model=x", [*HEADERS, *more])


def test_a_browsers_key_is_a_header_and_no_subprotocol_any_more():
    offered = (b"sec-websocket-protocol", b"realtime, openai-insecure-api-key.sk-1 ,openai-beta.realtime-v1")
    assert read_offer(head(offered)).protocols == [b"realtime", b"openai-beta.realtime-v1"]
    assert (b"authorization", b"Bearer sk-1") in with_key_as_header(head(offered)).headers
    both = head(offered, (b"authorization", b"Bearer sk-2"))
    assert [value for name, value in with_key_as_header(both).headers if name == b"authorization"] == [b"Bearer sk-2"]
    assert b"sk-1" not in b"".join(value for _, value in with_key_as_header(both).headers)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        (b"upgrade", b"h2c", UpgradeRequired),
        (b"sec-websocket-version", b"12", UpgradeRequired),
        (b"sec-websocket-key", b"", BadRequest),
        (b"sec-websocket-key", b"%%%", BadRequest),
        (b"transfer-encoding", b"chunked", BadRequest),
    ],
)
def test_an_offer_that_is_none_says_which_header(name: bytes, value: bytes, error: type[Exception]):
    with pytest.raises(error) as caught:
        read_offer(head((name, value)))
    assert caught.value.field  # type: ignore[attr-defined]


def test_the_answer_has_our_handshake_and_not_the_upstreams():
    told = switching(b"ours", b"realtime", [(b"sec-websocket-accept", b"theirs"), (b"x-request-id", b"req_1")])
    assert told.startswith(b"HTTP/1.1 101 ")
    assert b"theirs" not in told
    assert b"x-request-id: req_1\r\n" in told
    assert told.endswith(b"sec-websocket-protocol: realtime\r\n\r\n")


def test_a_reason_is_clipped_between_characters():
    assert len(clipped("é" * 200).encode()) <= 123
    assert clipped("short") == "short"
