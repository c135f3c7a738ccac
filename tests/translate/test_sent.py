"""What a request asks for is read from fewer bytes than are sent, and a chat of words by a shorter way: both must say
what the long way says."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.translate.conversations import Say, conversations, names, texts
from tests.translate.laws import HOSTILE
from tests.translate.meaning import same_request

from bursar.domain.errors import BadRequest
from bursar.providers.registry import dialect_for
from bursar.translate import chat_request
from bursar.translate.chat import CHAT, COMPATIBLE_CHAT
from bursar.translate.chat_words import read_words
from bursar.translate.codec import Codec
from bursar.translate.conversation import Conversation, Losses, Message, Words
from bursar.translate.registry import CODECS

MANY = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
EVERY = [pytest.param(codec, id=codec.dialect) for codec in CODECS.values()]
TEXT = Say(thinking=False, tools=False, images=False, files=False)


@st.composite
def chats(draw: st.DrawFn) -> Conversation:
    """Of words, as a chat codec reads them, of texts as other codecs do, or of all that there is."""
    said = draw(conversations(draw(st.sampled_from([TEXT, TEXT._replace(cache=True), Say(audio=False)]))))
    if draw(st.booleans()):
        turns = [Words("user" if at % 2 else "assistant", draw(texts)) for at in range(draw(st.integers(1, 4)))]
        said = msgspec.structs.replace(said, messages=tuple(turns))
    return said


@pytest.mark.parametrize("codec", [*EVERY, pytest.param(COMPATIBLE_CHAT, id="compatible")])
@MANY
@given(said=chats())
def test_the_facts_of_a_request_are_those_of_the_bytes_that_are_sent(codec: Codec, said: Conversation):
    try:
        sent = codec.write_request(said, Losses())
    except BadRequest:
        return
    found = dialect_for("POST", codec.path(said).partition("?")[0])
    assert found is not None
    assert found[0].read_request(sent.facts) == found[0].read_request(sent.body)


def test_a_long_conversation_is_not_read_again_for_its_facts():
    turns = tuple(Words("assistant" if at % 2 else "user", "a word of it " * 40) for at in range(101))
    for codec in CODECS.values():
        sent = codec.write_request(Conversation(model="a-model", messages=turns, max_output_tokens=9), Losses())
        assert len(sent.body) > 50_000 > 500 > len(sent.facts)


@pytest.mark.parametrize("codec", EVERY)
@MANY
@given(said=conversations(TEXT))
def test_words_are_written_as_any_turn_of_one_text(codec: Codec, said: Conversation):
    single = [Message(turn.role, turn.parts[:1]) for turn in said.messages]
    words = [Words("user" if turn.role == "user" else "assistant", turn.parts[0].text) for turn in single]  # type: ignore[union-attr]
    bodies, lost = [], []
    for turns in (single, words):
        losses = Losses()
        try:
            sent = codec.write_request(msgspec.structs.replace(said, messages=tuple(turns)), losses)
            bodies.append(json.loads(sent.body))
        except BadRequest as error:
            bodies.append(error.message)
        lost.append(losses.names)
    assert bodies[0] == bodies[1]
    assert lost[0] == lost[1]


wire_turns = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "system", "developer"]), "content": texts},
    optional={"name": st.none() | names},
)
calls = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.sampled_from(["c1", "", None]),
            "type": st.just("function"),
            "function": st.fixed_dictionaries(
                {"name": names, "arguments": st.sampled_from(["{}", "", '{"a":1}', None])},
                optional={"more": st.just(1)},
            ),
        },
        optional={"index": st.just(0), "extra_content": st.just({"google": {"thought_signature": "s"}})},
    ),
    max_size=2,
)
calling_turns = st.fixed_dictionaries(
    {"role": st.just("assistant"), "content": st.none() | st.just("") | texts, "tool_calls": st.none() | calls},
    optional={"refusal": st.none() | st.just("no"), "annotations": st.just([])},
)
result_turns = st.fixed_dictionaries(
    {"role": st.just("tool"), "tool_call_id": st.sampled_from(["c1", "", 3]), "content": texts | st.just("")},
    optional={"name": st.just("f")},
)
odd_turns = st.sampled_from([
    {"role": "tool", "tool_call_id": "c", "content": "4"}, {"role": "user", "content": ""}, {"role": "user"},
    {"role": "user", "content": [{"type": "text", "text": "in parts"}]}, {"role": "nobody", "content": "?"}, 7,
])  # fmt: skip
FIELDS = {
    "model": "a-model", "stream": True, "stream_options": {"include_usage": True, "other": 1}, "max_tokens": 5,
    "max_completion_tokens": 6, "temperature": 0.5, "top_p": 1, "n": 2, "stop": ["x"], "seed": 7, "user": "u",
    "frequency_penalty": 1, "presence_penalty": 1, "reasoning_effort": "low", "metadata": {"a": "b"}, "store": True,
    "service_tier": "flex", "safety_identifier": "s", "logit_bias": {"1": 2}, "parallel_tool_calls": False,
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}, {"type": "other"}],
    "tool_choice": "auto", "response_format": {"type": "json_object"}, "functions": [], "modalities": ["audio"],
}  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    turns=st.lists(wire_turns, max_size=5)
    | st.lists(wire_turns | calling_turns | result_turns | odd_turns, max_size=4),
    fields=st.lists(st.sampled_from(sorted(FIELDS)), max_size=6, unique=True),
    hostile=st.lists(st.tuples(st.sampled_from(sorted(FIELDS)), st.sampled_from(HOSTILE)), max_size=1),
)
def test_a_chat_of_words_means_what_it_means_read_field_by_field(
    turns: list[Any], fields: list[str], hostile: list[tuple[str, Any]]
):
    body = json.dumps({**{name: FIELDS[name] for name in fields}, **dict(hostile), "messages": turns}).encode()
    found = [_read(body, is_short=is_short) for is_short in (True, False)]
    assert [type(one) for one, _ in found] == [type(found[0][0])] * 2
    if isinstance(found[0][0], Conversation) and isinstance(found[1][0], Conversation):
        same_request(found[0][0], found[1][0])
        assert found[0][1] == found[1][1]
    else:
        assert found[0] == found[1]


def _read(body: bytes, *, is_short: bool) -> tuple[Conversation | str, list[str]]:
    """The conversation, or the field of the refusal; and what was lost."""
    losses = Losses()
    with pytest.MonkeyPatch.context() as patch:
        if not is_short:
            patch.setattr(chat_request, "read_words", lambda body: None)
            patch.setattr(chat_request, "usual_turn", lambda value: None)
        try:
            return CHAT.read_request(body, losses), list(losses.names)
        except BadRequest as error:
            return error.field or "", []


def test_which_chats_go_the_short_way():
    plain = {"role": "user", "content": "tea?"}
    assert read_words(
        json.dumps({"model": "m", "messages": [{"role": "system", "content": "Be brief."}, plain]}).encode()
    )
    others: list[list[Any]] = [
        [],
        [{"role": "system", "content": "x"}],
        [plain, {"role": "system", "content": "x"}],
        [{**plain, "name": "n"}],
        [{"role": "user", "content": [{"type": "text", "text": "x"}]}],
    ]
    for turns in others:
        assert read_words(json.dumps({"messages": turns}).encode()) is None
    assert read_words(json.dumps({"messages": [plain], "logit_bias": {}}).encode()) is None
    assert read_words(b"{") is None
