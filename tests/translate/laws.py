"""What every codec holds, whichever its dialect: the tests of one name it and what it can say."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from tests.providers.recordings import Recording
from tests.translate.meaning import reply_of

from bursar.domain.errors import BadRequest
from bursar.translate.answer import Ended, Event, Failed, Reply
from bursar.translate.codec import BadAnswer, Codec
from bursar.translate.conversation import Conversation, Losses, Text, Thinking, ToolUse
from bursar.translate.converse import ConverseCodec
from bursar.translate.gemini import GeminiCodec

ASKED = Conversation(model="a-model", messages=())
"""For a writer that must know who asked."""


def examples(count: int) -> settings:
    """So many generated cases, however busy the machine is."""
    return settings(max_examples=count, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def read_back(codec: Codec, sent: Conversation, losses: Losses) -> Conversation:
    """Written and read again; reading one's own writing loses nothing."""
    unread = Losses()
    if isinstance(codec, GeminiCodec | ConverseCodec):
        codec = codec.bound(sent.model, streams=sent.stream)  # the path says it
    got = codec.read_request(codec.write_request(sent, losses).body, unread)
    assert list(unread.names) == []
    return got


def events_of(codec: Codec, body: bytes, cuts: Iterable[int] = ()) -> list[Event]:
    """What a stream says, cut there."""
    at = sorted(cuts)
    reader = codec.reader()
    events: list[Event] = []
    for start, stop in zip([0, *at], [*at, len(body)], strict=True):
        events += reader.feed(body[start:stop])
    return events + reader.end()


def written(codec: Codec, events: Iterable[Event], asked: Conversation = ASKED) -> bytes:
    """A stream as the caller gets it, an event at a time."""
    writer = codec.writer(asked, "call1")
    return b"".join(writer.write([event]) for event in events)


def check_every_cut(codec: Codec, body: bytes) -> None:
    """A stream says the same wherever it is cut; one that ends early says less, and no end."""
    whole = events_of(codec, body)
    for cut in range(1, len(body)):
        assert events_of(codec, body, [cut]) == whole, cut
    assert events_of(codec, body, range(1, len(body))) == whole
    for cut in range(0, len(body), 7):
        part = events_of(codec, body[:cut])
        assert not any(isinstance(event, Failed) for event in part)
        assert part == whole[: len(part)] or isinstance(part[-1], Ended), cut


def check_recording(codec: Codec, recording: Recording) -> Reply:
    """The reply in a recorded answer: its usage is what the meter reads, its id and model are there."""
    if recording.is_stream:
        reply = reply_of(events_of(codec, recording.body))
    else:
        reply = codec.read_answer(recording.body)
    answer = recording.answer()
    assert reply.usage == answer.usage
    assert (reply.id, reply.model) == (answer.upstream_id, answer.model)
    return reply


def said(reply: Reply) -> str:
    """All words of the answer."""
    return "".join(part.text for part in reply.choices[0].parts if isinstance(part, Text))


def thought(reply: Reply) -> str:
    return "".join(part.text for part in reply.choices[0].parts if isinstance(part, Thinking))


def called(reply: Reply) -> list[tuple[str, Any]]:
    return [(part.name, json.loads(part.arguments)) for part in reply.choices[0].parts if isinstance(part, ToolUse)]


def any_json(words: Iterable[str]) -> st.SearchStrategy[Any]:
    """JSON whose names and texts are often the dialect's own, so that it gets far before it is refused."""
    names = st.sampled_from(sorted(words))
    leaf = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | names | st.text()
    return st.recursive(
        leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=5), max_leaves=12
    )


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to every value inside."""
    found = [way] if way else []
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in inside:
        found += places(inner, (*way, name))
    return found


def with_value(value: Any, way: tuple[Any, ...], new: Any) -> Any:
    """A copy with another value there."""
    if not way:
        return new
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[way[0]] = with_value(copy[way[0]], way[1:], new)
    return copy


HOSTILE: tuple[Any, ...] = (
    None, True, -1, 1.5, 10**30, "", "x", "\U0001f9ee", [], {}, [[]], [{}], [None], {"type": []}, {"": None},
)  # fmt: skip


def check_hostile_requests(codec: Codec, body: bytes) -> None:
    """A request with any one value spoilt, or cut anywhere, is read, or refused with a reason."""
    value = json.loads(body)
    for way in places(value):
        for new in HOSTILE:
            read_or_refuse(codec, json.dumps(with_value(value, way, new)).encode())
    for end in range(0, len(body), 11):
        read_or_refuse(codec, body[:end])


def read_or_refuse(codec: Codec, body: bytes) -> None:
    try:
        losses = Losses()
        conversation = codec.read_request(body, losses)
    except BadRequest as error:
        assert error.message  # noqa: PT017
        return
    try:
        codec.write_request(conversation, losses)  # what could be read can be written, or is refused
    except BadRequest as error:
        assert error.message  # noqa: PT017


def check_hostile_answers(codec: Codec, body: bytes) -> None:
    value = json.loads(body)
    bodies = [json.dumps(with_value(value, way, new)).encode() for way in places(value) for new in HOSTILE]
    for hostile in [*bodies, *(body[:end] for end in range(0, len(body), 11))]:
        try:
            codec.write_answer(codec.read_answer(hostile), Losses())
        except BadAnswer:
            continue


def check_hostile_stream(codec: Codec, payloads: list[Any], frame: Callable[[Any], bytes]) -> None:
    """A stream with any one value spoilt gives events that can be written, at worst a `Failed` at the end."""
    for at, payload in enumerate(payloads):
        for way in places(payload):
            for new in HOSTILE:
                spoilt = [*payloads[:at], with_value(payload, way, new), *payloads[at + 1 :]]
                events = events_of(codec, b"".join(map(frame, spoilt)))
                assert not any(isinstance(event, Failed | Ended) for event in events[:-1])
                written(codec, events)


def refused_field(codec: Codec, body: Any) -> str | None:
    """The field that a refused request is told."""
    with pytest.raises(BadRequest) as refused:
        codec.read_request(json.dumps(body).encode(), Losses())
    return refused.value.field
