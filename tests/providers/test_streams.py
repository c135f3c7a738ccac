"""A stream is read the same however it was cut, and passed on as it came."""

import itertools
import json
from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.providers.recordings import Recording, recording, streams

from bursar.providers import sse
from bursar.providers.anthropic import MESSAGES
from bursar.providers.base import Answer, Asked, StreamReader
from bursar.providers.openai_chat import CHAT
from bursar.providers.openai_responses import RESPONSES

STREAMED = Asked(model="m", stream=True)


def split_at(body: bytes, cuts: Iterable[int]) -> list[bytes]:
    at = [0, *sorted(cuts), len(body)]
    return [body[start:end] for start, end in itertools.pairwise(at)]


def passed_on(reader: StreamReader, chunks: Iterable[bytes]) -> bytes:
    return b"".join([*map(reader.feed, chunks), reader.end()])


def read(one: Recording, chunks: Iterable[bytes]) -> tuple[bytes, Answer]:
    reader = one.dialect.reader(STREAMED, strip_usage=False)
    out = passed_on(reader, chunks)
    return out, reader.answer()


def events(*parts: dict[str, object] | str) -> bytes:
    """A synthetic stream in OpenAI's form."""
    texts = (part if isinstance(part, str) else msgspec.json.encode(part).decode() for part in parts)
    return "".join(f"data: {text}\n\n" for text in texts).encode()


def chunk(text: str = "", **more: object) -> dict[str, object]:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return {"id": "c1", "model": "gpt-4o", "choices": [choice], "usage": None, **more}


FINISH = {"id": "c1", "model": "gpt-4o", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": None}
USAGE = {
    "id": "c1",
    "model": "gpt-4o",
    "choices": [],
    "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12},
}


@pytest.mark.parametrize("one", streams(), ids=lambda one: one.id)
def test_a_recorded_stream_reads_alike_in_one_piece_by_events_and_by_bytes(one: Recording):
    whole, answer = read(one, [one.body])
    assert whole == one.body
    assert answer.complete or answer.error_code
    for size in (1, 7, 1_400, 4_096):
        chunks = [one.body[at : at + size] for at in range(0, len(one.body), size)]
        assert read(one, chunks) == (one.body, answer)
    by_event = [part + b"\n\n" for part in one.body.split(b"\n\n")]
    assert read(one, by_event)[1] == answer


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_usage_does_not_depend_on_how_the_stream_was_cut(data: st.DataObject):
    one = data.draw(st.sampled_from(streams()))
    cuts = data.draw(st.sets(st.integers(1, len(one.body) - 1), max_size=30))
    out, answer = read(one, split_at(one.body, cuts))
    assert out == one.body
    assert answer == one.answer()


@pytest.mark.parametrize("one", streams(), ids=lambda one: one.id)
def test_line_ends_of_the_network_read_alike(one: Recording):
    body = one.body.replace(b"\n", b"\r\n")
    for size in (1, 997, len(body)):
        out, answer = read(one, [body[at : at + size] for at in range(0, len(body), size)])
        assert (out, answer) == (body, one.answer())


@pytest.mark.parametrize("one", streams(), ids=lambda one: one.id)
def test_a_proxys_own_pings_between_the_events_change_nothing(one: Recording):
    body = one.body.replace(b"\n", b"\r\n").replace(b"\r\n\r\n", b"\r\n\r\n: ping\n\n")
    assert read(one, [body])[1] == one.answer()
    assert read(one, [body[at : at + 100] for at in range(0, len(body), 100)])[1] == one.answer()


@pytest.mark.parametrize("one", streams(), ids=lambda one: one.id)
def test_a_stream_without_the_last_blank_line_is_whole(one: Recording):
    out, answer = read(one, [one.body.rstrip(b"\n")])
    assert out == one.body.rstrip(b"\n")
    assert answer == one.answer()


@pytest.mark.parametrize("one", streams(), ids=lambda one: one.id)
def test_a_stream_cut_before_its_end_is_never_complete(one: Recording):
    last = one.body.rstrip(b"\n").rfind(b"\n\n")  # before `[DONE]`, `message_stop`, `response.completed`
    for end in range(0, last, max(1, last // 23)):
        _, answer = read(one, [one.body[:end]])
        if answer.complete:  # a chat that nobody asked for usage is over when it says why it stopped
            assert one.dialect.family == "openai"
            assert answer.finish_reason


def test_a_stream_that_was_asked_for_usage_is_cut_without_it():
    body = events(chunk("a"), FINISH)
    asked = CHAT.reader(Asked(stream=True, wants_usage=True), strip_usage=False)
    passed_on(asked, [body])
    assert not asked.answer().complete
    unasked = CHAT.reader(STREAMED, strip_usage=False)
    passed_on(unasked, [body])
    assert unasked.answer().complete


def test_data_over_several_lines_is_one_event():
    lines = json.dumps(USAGE, indent=1).replace("\n", "\ndata: ")
    body = f"id: 7\ndata: {lines}\nretry: 10\n\ndata: [DONE]\n\n".encode()
    reader = CHAT.reader(STREAMED, strip_usage=False)
    assert passed_on(reader, [body]) == body
    assert reader.answer().usage is not None
    assert reader.answer().complete


@pytest.mark.parametrize("done", ["data: [DONE]\n\n", "data:[DONE]\n\n", "data: [DONE] \r\n\r\n", "data: [DONE]"])
def test_done_is_known_in_each_spelling(done: str):
    reader = CHAT.reader(STREAMED, strip_usage=False)
    passed_on(reader, [events(chunk("x")), done.encode()])
    assert reader.answer().complete


def test_a_models_text_is_never_taken_for_the_protocol():
    trap = 'data: [DONE]\n\n"completion_tokens": 9 {"usage":{"completion_tokens":99}} message_stop "error"'
    for size in (1, 10_000):
        body = events(chunk(trap), chunk(json.dumps(chunk(trap))))
        reader = CHAT.reader(STREAMED, strip_usage=False)
        passed_on(reader, [body[at : at + size] for at in range(0, len(body), size)])
        answer = reader.answer()
        assert (answer.usage, answer.complete, answer.error_code, answer.finish_reason) == (None, False, "", "")


def test_a_burst_is_read_at_both_ends_and_its_text_is_counted():
    texts = ["word ", 'he said "no"\n', "ünï ", ""] * 40
    body = events(*map(chunk, texts), FINISH, USAGE, "[DONE]")
    whole, pieces = (CHAT.reader(STREAMED, strip_usage=False) for _ in range(2))
    passed_on(whole, [body])
    passed_on(pieces, [body[at : at + 300] for at in range(0, len(body), 300)])
    assert whole.answer() == pieces.answer()
    exact = sum(len(text.encode()) for text in texts)
    for reader in (whole, pieces):
        assert exact <= reader.output_bytes <= exact * 1.3  # JSON escapes count as written


def test_usage_reported_as_it_goes_ends_with_the_last():
    grown = [
        chunk("x", usage={"prompt_tokens": 3, "completion_tokens": n, "total_tokens": 3 + n}) for n in range(1, 90)
    ]
    for size in (64, 10**6):
        body = events(*grown, "[DONE]")
        reader = CHAT.reader(STREAMED, strip_usage=False)
        passed_on(reader, [body[at : at + size] for at in range(0, len(body), size)])
        usage = reader.answer().usage
        assert usage is not None
        assert (usage.input, usage.output) == (3, 89)


def test_several_choices_are_truncated_if_one_is():
    ends = [
        {"model": "m", "choices": [{"index": n, "delta": {}, "finish_reason": why}]}
        for n, why in enumerate(["length", *["stop"] * 40])
    ]
    body = events(*([chunk("text " * 40)] * 30), *ends, *([chunk("text " * 40)] * 30), "[DONE]")
    reader = CHAT.reader(Asked(stream=True, choices=41), strip_usage=False)
    passed_on(reader, [body])
    assert reader.answer().truncated


def test_the_extra_chunk_goes_and_nothing_else():
    kept = events(chunk("a"), chunk("b"), FINISH)
    for end in (events("[DONE]"), b""):
        body = kept + events(USAGE) + end
        for size in (1, 5, 333, len(body)):
            reader = CHAT.reader(STREAMED, strip_usage=True)
            out = passed_on(reader, [body[at : at + size] for at in range(0, len(body), size)])
            assert out == kept + end
            assert reader.answer().usage is not None


@given(data=st.data(), network=st.booleans(), texts=st.lists(st.text(max_size=30), max_size=60))
@settings(max_examples=60, deadline=None)
def test_stripping_takes_one_event_however_the_stream_was_cut(data: st.DataObject, network: bool, texts: list[str]):
    kept, extra = events(*map(chunk, texts), FINISH), events(USAGE)
    body, wanted = kept + extra + events("[DONE]"), kept + events("[DONE]")
    if network:
        body, wanted = (part.replace(b"\n\n", b"\r\n\r\n") for part in (body, wanted))
    cuts = data.draw(st.sets(st.integers(1, len(body) - 1), max_size=20))
    reader = CHAT.reader(STREAMED, strip_usage=True)
    assert passed_on(reader, split_at(body, cuts)) == wanted
    assert reader.answer().complete


def test_a_usage_that_comes_with_choices_is_never_taken_out():
    one = recording("mistral-chat-stream-5da52000")
    reader = CHAT.reader(STREAMED, strip_usage=True)
    assert passed_on(reader, [one.body]) == one.body
    assert reader.answer().usage is not None


def test_stripping_holds_back_at_most_one_event():
    reader = CHAT.reader(STREAMED, strip_usage=True)
    first, second = events(chunk("a")), events(chunk("b"))
    assert reader.feed(first + second[:10]) == first
    assert reader.feed(second[10:]) == second


def test_a_long_event_is_passed_on_while_it_still_comes():
    long = events(chunk("x" * (3 * sse.HELD_BYTES_MAX)))
    body = long + events(USAGE, "[DONE]")
    reader = CHAT.reader(STREAMED, strip_usage=True)
    pieces = [reader.feed(body[at : at + 1_000]) for at in range(0, len(body), 1_000)]
    assert sum(map(len, pieces[:20])) > 0
    assert b"".join(pieces) + reader.end() == long + events("[DONE]")


def test_an_event_beyond_the_bound_is_counted_and_the_rest_is_read(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sse, "EVENT_BYTES_MAX", 20_000)
    huge = events(chunk("x" * 100_000, usage={"prompt_tokens": 1, "completion_tokens": 1}))
    body = events(chunk("a")) + huge + events(USAGE, "[DONE]")
    for strip in (False, True):
        reader = CHAT.reader(STREAMED, strip_usage=strip)
        out = b""
        for at in range(0, len(body), 700):
            out += reader.feed(body[at : at + 700])
            assert len(reader._tail) <= 20_000 + 700
        out += reader.end()
        assert out == (body if not strip else events(chunk("a")) + huge + events("[DONE]"))
        assert reader.oversized == 1
        usage = reader.answer().usage
        assert usage is not None
        assert usage.output == 7


def test_a_plain_answer_to_a_streamed_request_is_read_as_one():
    body = json.dumps({**USAGE, "choices": [{"finish_reason": "stop"}]}).encode()
    reader = CHAT.reader(STREAMED, strip_usage=True)
    assert passed_on(reader, [body[:20], body[20:]]) == body
    answer = reader.answer()
    assert answer.complete
    assert answer.usage is not None


@given(
    chunks=st.lists(
        st.one_of(
            st.binary(max_size=60),
            st.sampled_from(
                [
                    b"data: ",
                    b"{",
                    b"}",
                    b"\n\n",
                    b"\r\n",
                    b'"usage":',
                    b'{"completion_tokens":-1}',
                    b"[DONE]",
                    b"event: error\n",
                    b'data: {"type":"message_delta","usage":{"output_tokens":1e99}}\n\n',
                    b"data: " + b"[" * 2_000,
                    b"\xff\x00",
                ]
            ),
        ),
        max_size=30,
    ),
    strip=st.booleans(),
    dialect=st.sampled_from([CHAT, RESPONSES, MESSAGES]),
)
@settings(max_examples=150, deadline=None)
def test_no_stream_makes_a_reader_raise_or_change_a_byte(chunks: list[bytes], strip: bool, dialect):
    reader = dialect.reader(STREAMED, strip_usage=strip)
    assert passed_on(reader, chunks) == b"".join(chunks)
    assert isinstance(reader.answer(), Answer)
