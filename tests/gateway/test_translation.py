"""A call between two dialects: which upstream it may go to, what that is told, and what the caller hears of it."""

import json
from typing import Any

import msgspec
import pytest

from bursar.bench import bodies
from bursar.domain.errors import BadRequest, NotTranslatable, NoUpstream
from bursar.gateway.envelope import Elsewhere
from bursar.gateway.names import Named, Names
from bursar.gateway.outbox import Outbox
from bursar.gateway.route import Route, Routes
from bursar.gateway.settings import UpstreamSettings
from bursar.gateway.translation import (
    Interpreter,
    Spoken,
    Translation,
    kept_headers,
    limit_note,
    limit_of,
    notes_of,
    translate,
    translated_answer,
    wants_all,
)
from bursar.gateway.upstream import PoolLimits
from bursar.providers.base import Asked
from bursar.providers.google import GeminiGenerate
from bursar.providers.registry import DIALECTS
from bursar.translate.registry import CODECS, codec_of_upstream

GEMINI_BOUND = GeminiGenerate("gemini", "gemini-x")
CHAT, MESSAGES, GEMINI = "openai-chat", "anthropic-messages", "gemini-generate"


def route(name: str, family: str, *, provider: str = "", **more: Any) -> Route:
    settings = UpstreamSettings(name, "https://x.test", family, provider or name, **more)
    return Route(settings, b"", PoolLimits(), Outbox())


ROUTES = [
    route("openai", "openai"),
    route("groq", "openai", speaks=["openai-chat"]),
    route("newer", "openai", speaks=["openai-responses"]),
    route("pictures", "openai", speaks=["openai-images"]),
    route("anthropic", "anthropic", models=["claude-*"]),
    route("elsewhere", "unheard-of"),
]


def test_a_name_leads_to_another_dialect_only_where_it_can_be_said() -> None:
    names = Names(ROUTES, {"smart": "anthropic/claude-x"})
    assert names.read("openai", "anthropic/claude-x", elsewhere=True) == Named("anthropic", "claude-x")
    assert names.read("openai", "smart", elsewhere=True) == Named("anthropic", "claude-x")
    assert names.read("anthropic", "groq/llama", elsewhere=True) == Named("groq", "llama")
    for family, name, elsewhere in (
        ("openai", "anthropic/claude-x", False),  # embeddings
        ("openai", "elsewhere/claude-x", True),
        ("anthropic", "pictures/dall-e", True),
    ):
        with pytest.raises(NoUpstream):
            names.read(family, name, elsewhere=elsewhere)


def test_an_upstream_that_lists_a_model_has_it_and_the_callers_own_dialect_comes_first() -> None:
    routes = Routes(ROUTES)
    assert routes.choose("openai", "claude-x", CHAT, elsewhere=True).name == "anthropic"
    assert routes.choose("openai", "claude-x", CHAT).name == "openai"
    assert routes.choose("openai", "gpt-4o", CHAT, elsewhere=True).name == "openai"
    assert routes.named("anthropic", "openai", CHAT, elsewhere=True).name == "anthropic"
    with pytest.raises(NoUpstream):
        routes.named("anthropic", "openai", CHAT)


@pytest.mark.parametrize(
    ("family", "provider", "speaks", "dialect", "limit"),
    [
        ("openai", "openai", [], CHAT, "max_completion_tokens"),
        ("azure", "azure", [], CHAT, "max_completion_tokens"),
        ("openai", "groq", ["openai-responses", CHAT], CHAT, "max_tokens"),
        ("openai", "x", ["openai-responses"], "openai-responses", "max_output_tokens"),
        ("openai", "x", ["openai-images"], None, ""),
        ("anthropic", "anthropic", [], MESSAGES, "max_tokens"),
        ("gemini", "google", [], GEMINI, "maxOutputTokens"),
        ("unheard-of", "x", [], None, ""),
    ],
)
def test_an_upstream_is_spoken_to_in_its_own_words(
    family: str, provider: str, speaks: list[str], dialect: str | None, limit: str
) -> None:
    codec = codec_of_upstream(family, provider, speaks)
    if codec is None:
        assert dialect is None
        return
    assert codec.dialect == dialect
    said = spoken(body(max_tokens=77), codec=codec)
    assert f'"{limit}":77'.encode() in said.body


def body(**more: Any) -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": "tea?"}], **more}).encode()


def spoken(sent: bytes, *, limit: int | None = None, codec: Any = CODECS[MESSAGES], **other: Any) -> Spoken:
    dialect = GEMINI_BOUND if codec.dialect == GEMINI else DIALECTS[codec.dialect]
    there = {"is_strict": False, "takes_events": True, "output_tokens": 4_096, **other}
    elsewhere = Elsewhere(codec, (dialect, b"plain"), (dialect, b"streamed"), **there)
    caller = DIALECTS[CHAT]
    asked = msgspec.structs.replace(caller.read_request(sent), model="claude-haiku-4-5")
    return translate(elsewhere, caller, asked, sent, limit)


def test_what_is_sent_is_what_is_read_by_bounds_and_meters() -> None:
    said = spoken(body(stream=True, seed=1))
    assert json.loads(said.body) == {
        "model": "claude-haiku-4-5",
        "max_tokens": 4_096,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "tea?"}]}],
        "stream": True,
    }
    assert (said.head, said.dialect.name) == (b"streamed", MESSAGES)
    assert (said.asked.model, said.asked.max_output_tokens, said.asked.stream) == ("claude-haiku-4-5", 4_096, True)
    assert limit_note(said) == [(b"x-bursar-max-tokens", b"4096")]
    assert notes_of(said.translation) == [
        (b"x-bursar-translated", b"openai-chat>anthropic-messages"),
        (b"x-bursar-dropped", b"seed"),
    ]
    assert limit_note(spoken(body(max_tokens=5))) == []
    assert spoken(body()).head == b"plain"
    assert not said.translation.wished.wants_stream_usage


def test_a_limit_that_a_budget_lowered_is_kept_for_the_next_provider() -> None:
    said = spoken(body())
    assert limit_of(said.translation, said.asked) is None
    lowered = msgspec.structs.replace(said.asked, max_output_tokens=100)
    assert limit_of(said.translation, lowered) == 100
    again = spoken(body(max_tokens=9_999), limit=100)
    assert json.loads(again.body)["max_tokens"] == 100
    assert limit_of(again.translation, again.asked) == 100


def test_a_caller_who_wants_all_of_it_is_told_what_would_be_lost() -> None:
    with pytest.raises(NotTranslatable, match="seed") as refused:
        spoken(body(seed=1, logit_bias={"1": 1}), is_strict=True)
    assert refused.value.details == {"dropped": "logit_bias, seed"}
    assert spoken(body(), is_strict=True)
    for value, wanted in ((b"true", True), (b"TRUE", True), (b"1", True), (b"false", False), (b"", False)):
        assert wants_all([(b"x-bursar-strict", value)]) is wanted
    assert not wants_all([])


def test_googles_array_of_a_stream_is_not_translated() -> None:
    caller = DIALECTS[GEMINI]
    dialect = DIALECTS[CHAT]
    other = Elsewhere(CODECS[CHAT], (dialect, b""), (dialect, b""), False, False, 100)
    asked = Asked("m", stream=True, streams_array=True)
    sent = b'{"contents":[{"role":"user","parts":[{"text":"tea?"}]}]}'
    with pytest.raises(BadRequest, match="alt=sse"):
        translate(other, caller, asked, sent)
    events = translate(msgspec.structs.replace(other, takes_events=True), caller, asked, sent)
    assert json.loads(events.body)["stream"] is True


def translation(*, stream: bool = False) -> Translation:
    return spoken(body(stream=stream)).translation


def test_an_answer_keeps_its_status_and_its_words() -> None:
    status, said = translated_answer(translation(), 200, bodies.message_answer())
    answer = json.loads(said)
    assert (status, answer["object"], answer["usage"]["prompt_tokens"]) == (200, "chat.completion", 312)
    assert answer["created"] > 1_700_000_000
    busy = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'
    status, said = translated_answer(translation(), 529, busy)
    assert (status, json.loads(said)["error"]["message"]) == (529, "Overloaded")
    status, said = translated_answer(translation(), 200, b"<html>what</html>")
    assert (status, json.loads(said)["error"]["message"]) == (502, "<html>what</html>")
    kept = kept_headers([(b"retry-after", b"7"), (b"anthropic-organization-id", b"x")], CHAT, streams=False)
    assert kept == [(b"content-type", b"application/json"), (b"retry-after", b"7")]


def heard(chunks: list[bytes]) -> tuple[bytes, bool, bool]:
    """What the caller hears, whether it is whole, and whether the meter has seen all of it."""
    meter = DIALECTS[MESSAGES].reader(Asked(stream=True), strip_usage=False)
    between = Interpreter(translation(stream=True), meter, "call")
    said = b"".join(between.feed(chunk) for chunk in chunks) + between.end()
    meter.end()
    return said, between.is_over, meter.answer().complete


def test_a_stream_is_heard_the_same_wherever_it_is_cut_and_a_broken_one_has_no_end() -> None:
    events = bodies.message_events()
    stream = b"".join([*events[:4], *events[-4:]])
    whole, is_over, is_metered = heard([stream])
    assert is_over
    assert is_metered
    assert whole.endswith(b"data: [DONE]\n\n")
    created = whole.index(b'"created":') + 10
    last = stream.index(b"event: message_stop")
    for cut in range(1, len(stream), 5):
        said, _, _ = heard([stream[:cut], stream[cut:]])
        assert said.replace(said[created : created + 10], whole[created : created + 10]) == whole
        if cut > last:
            continue
        short, is_over, is_metered = heard([stream[:cut]])
        assert not is_over
        assert not is_metered
        assert b"[DONE]" not in short


def test_a_passage_of_a_document_is_listed_as_dropped_from_a_plain_answer() -> None:
    said = spoken(body(max_tokens=5))
    passage = {"type": "page_location", "cited_text": "two cups", "document_index": 0, "document_title": "tea.pdf"}
    content = [{"type": "text", "text": "Two cups.", "citations": [passage]}]
    answer = json.dumps({"id": "msg_1", "model": "claude", "content": content, "stop_reason": "end_turn"}).encode()
    status, told = translated_answer(said.translation, 200, answer)
    assert (status, json.loads(told)["choices"][0]["message"]["content"]) == (200, "Two cups.")
    assert (b"x-bursar-dropped", b"citations") in notes_of(said.translation)
