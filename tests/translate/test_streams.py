"""Events come out of chunks whole, wherever they were cut."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.providers import sse
from bursar.translate import streams
from bursar.translate.answer import Event, Failed
from bursar.translate.codec import BadAnswer
from bursar.translate.streams import Frames, SseEventReader

STREAM = (
    b': hello\n\ndata: {"a":1}\n\nevent: x\ndata: {"b":2}\n\nevent: y\r\ndata: {"c":3}\r\n\r\n'
    b"data: {\ndata:}\n\nid: 7\n\ndata: [DONE]\n\n"
)
DATA = [b'{"a":1}', b'{"b":2}', b'{"c":3}', b"{\n}", b"[DONE]"]


@settings(max_examples=40)
@given(st.sets(st.integers(1, len(STREAM) - 1)))
def test_events_do_not_depend_on_how_the_stream_was_cut(cuts: set[int]):
    frames, found = Frames(), []
    for start, stop in zip([0, *sorted(cuts)], [*sorted(cuts), len(STREAM)], strict=True):
        found += frames.feed(STREAM[start:stop])
    assert found + frames.end() == DATA
    assert Frames().feed(STREAM) == DATA


def test_an_event_without_its_blank_line_counts_at_the_end():
    frames = Frames()
    assert frames.feed(b"data: a\n\ndata: b") == [b"a"]
    assert frames.end() == [b"b"]


class Echo(SseEventReader):
    """Fails at "bad"."""

    seen: list[bytes]
    is_closed = False

    def _read(self, data: bytes, events: list[Event]) -> None:
        if data == b"bad":
            raise BadAnswer("no event")
        self.seen.append(data)

    def _close(self, events: list[Event]) -> None:
        self.is_closed = True


def test_what_cannot_be_read_is_the_last_event_and_a_cut_one_is_none(monkeypatch: pytest.MonkeyPatch):
    reader = Echo()
    reader.seen = []
    (failed,) = reader.feed(b"data: a\n\ndata: bad\n\ndata: b\n\n")
    assert isinstance(failed, Failed)
    assert failed.fault.status == 502
    assert reader.feed(b"data: c\n\n") == reader.end() == []
    assert reader.seen == [b"a"]
    assert not reader.is_closed
    reader = Echo()
    reader.seen = []
    assert reader.feed(b"data: ba") == []
    assert reader.feed(b"d") == reader.end() == []
    assert not reader.is_closed
    monkeypatch.setattr(streams, "EVENT_BYTES_MAX", 100)
    assert sse.EVENT_BYTES_MAX > 100
    (failed,) = Echo().feed(b"data: " + b"x" * 200)
    assert isinstance(failed, Failed)
