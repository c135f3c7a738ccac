"""What a request asks is read from a few fields; what can't be read is refused with the field's name."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.domain.errors import BadRequest, InvalidJson, MissingField
from bursar.providers.base import Asked, Dialect
from bursar.providers.registry import DIALECTS

PRICED = [dialect for dialect in DIALECTS.values() if dialect.operation not in ("models", "delete_cache")]
HAS_DEFAULT = ("openai-images", "openai-moderations")  # by OpenAI's schema a model need not be named
NAMES_NONE = ("gemini-cache-change", "vertex-cache-change")  # the path names the content, and that its model
NEEDS_MODEL = [dialect for dialect in PRICED if dialect.name not in HAS_DEFAULT + NAMES_NONE]
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ["model", "stream", "max_tokens", "max_completion_tokens", "max_output_tokens", "stream_options", "service_tier",
     "user", "metadata", "n", "tools", "tags", "safety_identifier", "messages", "input", "prompt"]
)  # fmt: skip


def read(dialect: str, **fields: Any) -> Asked:
    return DIALECTS[dialect].read_request(json.dumps(fields).encode())


def read_or_refuse(dialect: Dialect, body: bytes) -> Asked | None:
    """None: refused, by an error that can be answered."""
    try:
        return dialect.read_request(body)
    except BadRequest as error:
        return None if dialect.error(error, "call") else Asked()


def test_a_chat_is_read():
    asked = read(
        "openai-chat",
        model="gpt-4o",
        messages=[{"role": "user", "content": "hi"}],
        stream=True,
        max_tokens=5,
        max_completion_tokens=9,
        stream_options={"include_usage": True, "other": 1},
        service_tier="flex",
        user="u1",
        metadata={"feature": "checkout", "build": 7, "gone": None, "labels": ["a"]},
        n=3,
        tools=[{"type": "function"}, {"type": "function"}],
        tags=["k:v", 4],
        unknown={"model": 5},
    )
    assert asked == Asked(
        model="gpt-4o",
        stream=True,
        max_output_tokens=9,
        tier="flex",
        user="u1",
        metadata={"feature": "checkout", "build": "7", "labels": '["a"]'},
        wants_usage=True,
        tools=2,
        choices=3,
        tags=["k:v"],
        has_stream_options=True,
    )


def test_the_other_dialects_are_read():
    assert read("openai-responses", model="gpt-5", max_output_tokens=7, safety_identifier="s").max_output_tokens == 7
    assert read("openai-responses", model="gpt-5", safety_identifier="s").user == "s"
    assert read("openai-responses", prompt={"id": "pmpt_1"}).model == ""
    assert read("openai-embeddings", model="e", input="x").max_output_tokens == 0
    assert read("openai-completions", model="davinci-002", prompt="x", max_tokens=4).max_output_tokens == 4
    message = read("anthropic-messages", model="claude", max_tokens=3, metadata={"user_id": "u"}, tools=[{}])
    assert (message.max_output_tokens, message.metadata, message.tools) == (3, {"user_id": "u"}, 1)
    assert read("anthropic-count-tokens", model="claude").model == "claude"


def test_nulls_are_as_good_as_nothing():
    nulls = dict.fromkeys(
        ["stream", "max_tokens", "max_completion_tokens", "service_tier", "user", "metadata", "n", "tools", "tags"]
    )
    assert read("openai-chat", model="m", **nulls) == read("openai-chat", model="m")


@pytest.mark.parametrize("dialect", NEEDS_MODEL, ids=lambda dialect: dialect.name)
@pytest.mark.parametrize("body", [b"{}", b'{"model":null}', b'{"model":""}', b'{"messages":[]}'])
def test_a_missing_model_is_named(dialect, body: bytes):
    with pytest.raises(MissingField) as raised:
        dialect.read_request(body)
    assert raised.value.field == "model"


@pytest.mark.parametrize("dialect", PRICED, ids=lambda dialect: dialect.name)
@pytest.mark.parametrize(
    "body",
    [b"", b"  \n", b"{", b"nope", b'{"model":"m"} x', b'{"model":"\xff"}', b'{"model":"\\ud800"}', b"\x00",
     b'{"model":"m","x":' + b"[" * 100_000, b"\xef\xbb\xbf{}", b'{"model":"m"'],
)  # fmt: skip
def test_broken_json_is_said_to_be_that(dialect, body: bytes):
    with pytest.raises(InvalidJson) as raised:
        dialect.read_request(body)
    assert "empty" in raised.value.message or body.strip()
    assert raised.value.status == 400


@pytest.mark.parametrize(
    ("field", "value"),
    [("model", 5), ("stream", "yes"), ("max_tokens", "10"), ("max_tokens", -1), ("max_tokens", 10**40),
     ("max_tokens", 1.5), ("metadata", "x"), ("model", "m" * 5_000), ("tools", {}), ("service_tier", 1)],
)  # fmt: skip
def test_a_wrong_type_is_named(field: str, value: Any):
    with pytest.raises(BadRequest) as raised:
        read("openai-chat", **{"model": "m", field: value})
    assert raised.value.field == field
    assert field in raised.value.message
    assert not isinstance(raised.value, InvalidJson)


def test_a_body_that_is_no_object_is_refused():
    with pytest.raises(BadRequest):
        DIALECTS["openai-chat"].read_request(b"[]")


@given(fields=st.dictionaries(FIELDS, JSON, max_size=6), dialect=st.sampled_from(PRICED))
@settings(max_examples=150, deadline=None)
def test_no_json_raises_anything_but_our_own(fields: dict[str, Any], dialect):
    body = json.dumps(fields).encode()
    asked = read_or_refuse(dialect, body)
    if asked is not None:
        assert isinstance(json.loads(dialect.with_usage(body, asked)), dict)


@given(body=st.binary(max_size=200), dialect=st.sampled_from(PRICED), status=st.sampled_from([200, 404, 529]))
@settings(max_examples=150, deadline=None)
def test_no_bytes_raise_anything_but_our_own(body: bytes, dialect, status: int):
    read_or_refuse(dialect, body)
    answer = dialect.read_answer(body, status)
    assert answer.usage is None
    assert bool(answer.error_code) is (status >= 400) or answer.complete
