"""Amazon's frames come whole however they are cut; a wrong byte is noticed, and nothing behind it is believed."""

import itertools
import struct
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.providers.event_frames import Frame, Frames, write_frame

KINDS = {"event": ":event-type", "exception": ":exception-type", "error": ":error-code"}


def frame(kind: str, name: str, payload: bytes) -> bytes:
    return write_frame(((KINDS[kind], name), (":content-type", "application/json"), (":message-type", kind)), payload)


def raw(block: bytes, payload: bytes = b"") -> bytes:
    """A frame with headers of any kind."""
    prelude = struct.pack(">II", 16 + len(block) + len(payload), len(block))
    whole = prelude + struct.pack(">I", crc32(prelude)) + block + payload
    return whole + struct.pack(">I", crc32(whole))


@given(
    wanted=st.lists(
        st.builds(Frame, st.sampled_from(sorted(KINDS)), st.text(max_size=9), st.binary(max_size=60)), max_size=6
    ),
    data=st.data(),
)
@settings(max_examples=60, deadline=None)
def test_frames_come_whole_however_they_are_cut(wanted: list[Frame], data: st.DataObject) -> None:
    body = b"".join(frame(*one) for one in wanted)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(body)), max_size=20)))
    frames = Frames(1_000_000)
    found = [one for start, end in itertools.pairwise([0, *cuts, len(body)]) for one in frames.feed(body[start:end])]
    assert found == wanted
    assert (frames.fault, frames.missing, frames.oversized) == ("", 0, 0)


@pytest.mark.parametrize("at", range(len(frame("event", "chunk", b'{"a":1}'))))
def test_one_wrong_bit_anywhere_is_noticed_and_ends_the_reading(at: int) -> None:
    good = frame("event", "chunk", b'{"a":1}')
    wrong = bytearray(good)
    wrong[at] ^= 0x10
    frames = Frames(1_000_000)
    assert frames.feed(good + bytes(wrong) + good) == [Frame("event", "chunk", b'{"a":1}')]
    assert frames.fault
    assert frames.feed(good) == []


@pytest.mark.parametrize("end", range(1, len(frame("event", "chunk", b'{"a":1}'))))
def test_a_cut_inside_a_frame_is_known_and_filling_it_up_makes_it_wrong(end: int) -> None:
    good = frame("event", "chunk", b'{"a":1}')
    frames = Frames(1_000_000)
    assert frames.feed(good + good[:end])
    assert 0 < frames.missing <= len(good)
    assert frames.feed(bytes(frames.missing)) == []
    assert frames.fault


def test_headers_of_every_kind_are_stepped_over() -> None:
    block = b"\x01a\x00\x01b\x01\x01c\x02x\x01d\x03xx\x01e\x04xxxx\x01f\x05xxxxxxxx\x01g\x06\x00\x02xx"
    block += (
        b"\x01h\x08xxxxxxxx\x01i\x09" + b"x" * 16 + b"\x0d:message-type\x07\x00\x05event\x0b:event-type\x07\x00\x01n"
    )
    assert Frames(1_000).feed(raw(block, b"p")) == [Frame("event", "n", b"p")]
    assert Frames(1_000).feed(raw(b"", b"p")) == [Frame("event", "", b"p")]


@pytest.mark.parametrize(
    "block", [b"\x05ab", b"\x01a\x0axx", b"\x01a\x07\x00\x09x", b"\x01\xff\x00", b"\x01a\x07\x00\x01\xff"]
)
def test_headers_that_cannot_be_read_are_a_fault(block: bytes) -> None:
    frames = Frames(1_000)
    assert frames.feed(raw(block)) == []
    assert frames.fault


@pytest.mark.parametrize("lengths", [(15, 0), (20, 5), (0, 0), (2**32 - 1, 0), (2**20, 2**18)])
def test_lengths_that_cannot_be_are_a_fault(lengths: tuple[int, int]) -> None:
    prelude = struct.pack(">II", *lengths)
    frames = Frames(1_000)
    frames.feed(prelude + struct.pack(">I", crc32(prelude)) + b"x" * 40)
    assert frames.fault


@pytest.mark.parametrize("size", [1, 50, 999, 100_000])
def test_a_frame_too_large_to_keep_is_counted_and_the_next_is_read(size: int) -> None:
    body = frame("event", "big", b"x" * 5_000) + frame("event", "small", b"y")
    frames = Frames(1_000)
    found = [one for at in range(0, len(body), size) for one in frames.feed(body[at : at + size])]
    if size < 5_000:  # it was never here as a whole
        assert found == [Frame("event", "small", b"y")]
        assert frames.oversized == 1
    assert found[-1] == Frame("event", "small", b"y")
    assert frames.missing == 0
