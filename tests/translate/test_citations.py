"""Where passages of an answer are from reaches the caller in its dialect's words, whole and streamed, or is listed."""

import itertools
import json
from collections.abc import Iterable
from typing import Any

import pytest
from anthropic.types import Message
from google.genai.types import GenerateContentResponse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion
from openai.types.responses import Response
from tests.providers.recordings import recording
from tests.translate.laws import events_of, written
from tests.translate.meaning import reply_of

from bursar.translate.answer import Choice, Ended, Event, PartCited, PartEnded, PartGrew, PartStarted, Reply, Started
from bursar.translate.answer import Stopped as Stop
from bursar.translate.citations import CITATIONS_MAX, citations_of, pieces_of
from bursar.translate.codec import Codec
from bursar.translate.conversation import Citation, Losses, Part, Text, Thinking, ToolUse
from bursar.translate.registry import CODECS

SOME = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
CHAT, RESPONSES, MESSAGES = (CODECS[name] for name in ("openai-chat", "openai-responses", "anthropic-messages"))
GEMINI, CONVERSE = CODECS["gemini-generate"], CODECS["bedrock-converse"]
EVERY = (CHAT, RESPONSES, MESSAGES, GEMINI, CONVERSE)
PAIRS = [
    pytest.param(one, other, id=f"{one.dialect}>{other.dialect}") for one, other in itertools.permutations(EVERY, 2)
]
RECORDED = [
    pytest.param(MESSAGES, "anthropic-messages-json-475de361", id="anthropic"),
    pytest.param(MESSAGES, "anthropic-messages-stream-f529c50f", id="anthropic streamed"),
    pytest.param(RESPONSES, "openai-responses-json-dbf2cc79", id="responses"),
    pytest.param(CHAT, "openrouter-chat-json-97e59dd0", id="openrouter"),
    pytest.param(CHAT, "openrouter-chat-stream-6406ffaf", id="openrouter streamed"),
    pytest.param(CODECS["vertex-generate"], "vertex-generateContent-json-a9d1373d", id="vertex"),
]

Places = dict[tuple[str, str], set[int]]

words = st.sampled_from(["It opened in 1889.", "Überall 23 °C – 日本語 🧮", "Yes", " and so it is. ", "x" * 50])
addresses = st.sampled_from(["https://a.example/1?x=y", "https://b.example/", "https://c.example/ü"])


@st.composite
def cited_texts(draw: st.DrawFn) -> Text:
    text = draw(words)
    citations = []
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(text) - 1))
        quote = draw(st.sampled_from(["", "as the source has it"]))
        title = draw(st.sampled_from(["", "A title"]))
        citations.append(Citation(draw(addresses), title, quote, start, draw(st.integers(start + 1, len(text)))))
    return Text(text, citations=tuple(citations))


@st.composite
def answers(draw: st.DrawFn) -> Reply:
    parts: list[Part] = [Thinking("Hm.")] if draw(st.booleans()) else []
    parts += draw(st.lists(cited_texts(), min_size=1, max_size=3))
    parts += [ToolUse("call_1", "look", "{}")] if draw(st.booleans()) else []
    return Reply("id", "a-model", (Choice(tuple(parts), "tool_use" if isinstance(parts[-1], ToolUse) else "end"),))


def events_in(reply: Reply) -> list[Event]:
    """The same in pieces, each passage's source behind it."""
    events: list[Event] = [Started(reply.id, reply.model, 1)]
    for at, part in enumerate(reply.choices[0].parts):
        if isinstance(part, ToolUse):
            events += [PartStarted(at, "tool_use", part.id, part.name), PartGrew(at, part.arguments)]
        else:
            assert isinstance(part, Text | Thinking)
            events.append(PartStarted(at, "text" if isinstance(part, Text) else "thinking"))
            events += [PartGrew(at, piece) for piece in (part.text[:3], part.text[3:]) if piece]
            events += [PartCited(at, one) for one in (part.citations if isinstance(part, Text) else ())]
        events.append(PartEnded(at))
    return [*events, Stop(reply.choices[0].stop), Ended(None)]


def places(reply: Reply) -> Places:
    """Which characters of all that is said are from where, by address and title."""
    found: Places = {}
    offset = 0
    for part in reply.choices[0].parts:
        if isinstance(part, Text):
            for one in part.citations:
                found.setdefault((one.url, one.title), set()).update(range(offset + one.start, offset + one.end))
            offset += len(part.text)
    return found


def quotes(reply: Reply) -> set[tuple[str, str]]:
    texts = [part for part in reply.choices[0].parts if isinstance(part, Text)]
    return {(one.url, one.quote) for text in texts for one in text.citations if one.quote}


@pytest.mark.parametrize(("caller", "provider"), PAIRS)
@SOME
@given(said=answers())
def test_a_whole_answer_says_what_each_passage_is_from(caller: Codec, provider: Codec, said: Reply):
    losses = Losses()
    answered = provider.read_answer(provider.write_answer(said, losses))
    heard = caller.read_answer(caller.write_answer(answered, losses))
    assert places(heard) == places(answered) == places(said)
    if "citations.quote" not in losses.names:
        assert quotes(heard) == quotes(said)
    assert set(losses.names) <= {"citations.quote"}


@pytest.mark.parametrize(("caller", "provider"), PAIRS)
@SOME
@given(said=answers())
def test_a_stream_says_it_too(caller: Codec, provider: Codec, said: Reply):
    """Where blocks are cited as a whole, a span is widened to that; Gemini's are of bytes, so that they need ASCII."""
    answered = reply_of(events_of(provider, written(provider, events_in(said))))
    heard = reply_of(events_of(caller, written(caller, events_of(provider, written(provider, events_in(said))))))
    wanted, got = places(said), places(heard)
    assert got.keys() == places(answered).keys() == wanted.keys()
    text = "".join(part.text for part in said.choices[0].parts if isinstance(part, Text))
    if GEMINI not in (caller, provider) and {caller, provider} == {CHAT, RESPONSES}:
        assert got == wanted
    elif GEMINI not in (caller, provider) or text.isascii():
        assert all(span <= got[one] or not got[one] for one, span in wanted.items())


@pytest.mark.parametrize(("codec", "name"), RECORDED)
def test_recorded_citations_reach_every_caller(codec: Codec, name: str):
    recorded = recording(name)
    events = events_of(codec, recorded.body) if recorded.is_stream else []
    reply = reply_of(events) if recorded.is_stream else codec.read_answer(recorded.body)
    wanted = places(reply)
    assert wanted
    assert all(url.startswith("https://") for url, _ in wanted)
    for caller in EVERY:
        if caller is codec:
            continue
        heard = caller.read_answer(caller.write_answer(reply, Losses()))
        assert places(heard).keys() == wanted.keys()
        streamed = reply_of(events_of(caller, written(caller, events or events_in(reply))))
        assert places(streamed).keys() == wanted.keys()


def test_the_words_that_a_block_is_cited_for_are_the_span_in_openais_dialects():
    reply = MESSAGES.read_answer(recording("anthropic-messages-json-475de361").body)
    cited = [part for part in reply.choices[0].parts if isinstance(part, Text) and part.citations]
    message = json.loads(CHAT.write_answer(reply, Losses()))["choices"][0]["message"]
    spans = [one["url_citation"] for one in message["annotations"]]
    assert [message["content"][one["start_index"] : one["end_index"]] for one in spans] == [
        part.text for part in cited for _ in part.citations
    ]
    (part, *_) = [part for part in json.loads(RESPONSES.write_answer(reply, Losses()))["output"][0]["content"]
                  if part["annotations"]]  # fmt: skip
    (one, *_) = part["annotations"]
    assert (one["type"], one["start_index"], one["end_index"]) == ("url_citation", 0, len(part["text"]))


def test_real_clients_read_them():
    said = Text("Opened in 1889.", citations=(Citation("https://a.example", "A", "opened 1889", 10, 14),))
    reply = Reply("id", "a-model", (Choice((said,)),), created_s=1)
    message = ChatCompletion.model_validate_json(CHAT.write_answer(reply, Losses()), strict=True).choices[0].message
    assert message.annotations is not None
    assert message.annotations[0].url_citation.end_index == 14
    response = Response.model_validate_json(RESPONSES.write_answer(reply, Losses()))
    assert response.output[0].content[0].annotations[0].url == "https://a.example"  # type: ignore[union-attr,index]
    blocks: Any = Message.model_validate_json(MESSAGES.write_answer(reply, Losses())).content
    assert [(block.text, bool(block.citations)) for block in blocks] == [("Opened in ", 0), ("1889", 1), (".", 0)]
    assert blocks[1].citations[0].cited_text == "opened 1889"
    answer = GenerateContentResponse.model_validate_json(GEMINI.write_answer(reply, Losses()))
    grounding: Any = answer.candidates and answer.candidates[0].grounding_metadata
    assert grounding.grounding_chunks[0].web.uri == "https://a.example"
    assert grounding.grounding_supports[0].segment.text == "1889"


@pytest.mark.parametrize("codec", EVERY)
def test_a_passage_of_a_document_is_listed_as_dropped(codec: Codec):
    losses = Losses()
    reply = Reply("id", "m", (Choice((Text("Yes.", citations=(Citation("", "bill.pdf", "yes", 0, 4),)),)),))
    heard = codec.read_answer(codec.write_answer(reply, losses))
    assert list(losses.names) == ["citations"]
    assert places(heard) == {}
    assert b"bill.pdf" not in written(codec, events_in(reply))


def test_sources_that_nobody_else_can_name_are_read_as_such():
    block = {"type": "text", "text": "Yes.", "citations": [
        {"type": "page_location", "cited_text": "yes", "document_index": 0, "document_title": "bill.pdf"},
        {"type": "search_result_location", "cited_text": "yes", "source": "https://own.example", "title": "Own"},
        "nonsense",
    ]}  # fmt: skip
    reply = MESSAGES.read_answer(json.dumps({"content": [block], "stop_reason": "end_turn"}).encode())
    (text,) = reply.choices[0].parts
    assert isinstance(text, Text)
    assert text.citations == (
        Citation("", "bill.pdf", "yes", 0, 4), Citation("https://own.example", "Own", "yes", 0, 4),
    )  # fmt: skip
    assert citations_of([{"type": "file_citation", "file_id": "f"}, 7]) == (Citation(""),)
    assert citations_of({"type": "url_citation"}) == ()


@given(text=st.text(max_size=12), spans=st.lists(st.tuples(st.integers(-2, 14), st.integers(-2, 14)), max_size=6))
def test_pieces_are_the_text_again_and_no_citation_is_lost(text: str, spans: Iterable[tuple[int, int]]):
    cited = tuple(Citation(f"https://{at}", "", "", start, end) for at, (start, end) in enumerate(spans))
    pieces = pieces_of(Text(text, citations=cited), Losses())
    assert "".join(piece for piece, _ in pieces) == text
    assert {one.url for _, found in pieces for one in found} == {one.url for one in cited}


def test_no_stream_says_more_than_the_bound():
    piece = {"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": {
        "type": "web_search_result_location", "url": "https://a.example", "cited_text": ""}}}  # fmt: skip
    start = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "Yes."}}
    payloads = [start, *[piece] * (2 * CITATIONS_MAX), {"type": "message_stop"}]
    body = b"".join(b"data: %b\n\n" % json.dumps(payload).encode() for payload in payloads)
    cited = [event for event in events_of(MESSAGES, body) if isinstance(event, PartCited)]
    assert len(cited) == CITATIONS_MAX
    assert cited[0].citation == Citation("https://a.example", "", "", 0, 4)


def test_an_answer_that_comes_back_with_the_next_turn_keeps_its_words_and_lists_the_rest():
    """No provider takes another one's citations."""
    said = Text("Opened in 1889.", citations=(Citation("https://a.example", "A", "", 10, 14),))
    reply = Reply("id", "m", (Choice((said,)),))
    question = {"role": "user", "content": "And?"}
    message = json.loads(CHAT.write_answer(reply, Losses()))["choices"][0]["message"]
    items = json.loads(RESPONSES.write_answer(reply, Losses()))["output"]
    blocks = json.loads(MESSAGES.write_answer(reply, Losses()))["content"]
    told = json.loads(CONVERSE.write_answer(reply, Losses()))["output"]["message"]
    bodies: list[tuple[Codec, dict[str, Any], list[str]]] = [
        (CHAT, {"messages": [message, question]}, ["messages[0].annotations"]),
        (CHAT, {"messages": [{**message, "annotations": []}, question]}, []),
        (RESPONSES, {"input": [*items, question]}, ["input[0].annotations"]),
        (
            MESSAGES,
            {"max_tokens": 9, "messages": [{"role": "assistant", "content": blocks}, question]},
            ["messages[0].content[1].citations"],
        ),
        (
            CONVERSE,
            {"messages": [told, {"role": "user", "content": [{"text": "And?"}]}]},
            ["messages[0].content[1].citationsContent.citations"],
        ),
    ]
    for codec, body, lost in bodies:
        losses = Losses()
        first = codec.read_request(
            json.dumps({**body, **({} if codec is CONVERSE else {"model": "m"})}).encode(), losses
        ).messages[0]
        assert "".join(part.text for part in first.parts if isinstance(part, Text)) == "Opened in 1889."
        assert list(losses.names) == lost
