"""Asking a stream for its usage changes one field, and not one byte beside it."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.providers.openai_chat import CHAT
from bursar.providers.splice import doubled_field, value_span, with_number

VALUE = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=10), st.just('"stream_options":{')),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.text(max_size=5), st.just("stream_options")), inner, max_size=3),
    ),
    max_leaves=6,
)
OPTIONS = st.one_of(
    st.none(),
    st.dictionaries(st.sampled_from(["a", "include_obfuscation", "é"]), VALUE, max_size=2),
    st.builds(lambda more, usage: {**more, "include_usage": usage}, st.dictionaries(st.just("a"), VALUE),
              st.sampled_from([None, False])),
)  # fmt: skip


def asked_for_usage(body: bytes) -> bytes:
    return CHAT.with_usage(body, CHAT.read_request(body))


@given(
    fields=st.dictionaries(st.text(max_size=8).filter(lambda key: key not in READ), VALUE, max_size=4),
    options=st.one_of(st.just("absent"), OPTIONS),
    place=st.integers(0, 5),
    indent=st.sampled_from([None, 0, 2]),
    ascii_only=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_only_that_field_changes(
    fields: dict[str, Any], options: Any, place: int, indent: int | None, ascii_only: bool
):
    members = [*fields.items(), ("model", "m"), ("stream", True)]
    if options != "absent":
        members.insert(min(place, len(members)), ("stream_options", options))
    original = dict(members)
    body = json.dumps(original, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    changed = asked_for_usage(body)
    wanted = {**original, "stream_options": {**(original.get("stream_options") or {}), "include_usage": True}}
    assert json.loads(changed) == wanted
    if options == "absent":
        assert changed.replace(b'"stream_options":{"include_usage":true},', b"", 1) == body
    else:
        start, end = value_span(body, "stream_options") or (0, 0)
        assert changed.startswith(body[:start])
        assert changed.endswith(body[end:])


READ = {"model", "stream", "stream_options", "max_tokens", "max_completion_tokens", "service_tier", "user", "metadata",
        "safety_identifier", "n", "tools", "tags"}  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m","stream":true,"stream_options":{"include_usage":true}}',
        b'{"model":"m","stream":false}',
        b'{"model":"m"}',
        b'{"model":"m","stream":true,"stream_options":{},"stream_options":{"x":1}}',  # given twice: nobody knows
    ],
)
def test_nothing_changes_where_nothing_must(body: bytes):
    assert asked_for_usage(body) is body


def test_other_dialects_never_change():
    from bursar.providers.registry import DIALECTS

    body = b'{"model":"m","stream":true,"max_tokens":1}'
    for name in ("openai-responses", "openai-embeddings", "anthropic-messages", "anthropic-count-tokens"):
        assert DIALECTS[name].with_usage(body, DIALECTS[name].read_request(body)) is body


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"a":1}', b'{"stream_options":1,"stream_options":1}'])
def test_a_place_that_cant_be_found_is_none(body: bytes):
    assert value_span(body, "stream_options") is None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"model":"m"}', b'{"max_completion_tokens":9,"model":"m"}'),
        (b"{ }", b'{"max_completion_tokens":9 }'),
        (b'{"model":"m", "max_tokens" : 500}', b'{"model":"m", "max_tokens" : 9}'),
        (b'{"max_tokens":null,"model":"m"}', b'{"max_tokens":9,"model":"m"}'),
        (
            b'{"messages":[{"content":"\\"max_tokens\\": 5"}]}',
            b'{"max_completion_tokens":9,"messages":[{"content":"\\"max_tokens\\": 5"}]}',
        ),
        (b'{"meta":{"max_tokens":5},"model":"m"}', b'{"max_completion_tokens":9,"meta":{"max_tokens":5},"model":"m"}'),
        (b'{"max_tokens":5,"max_tokens":6}', None),
    ],
)
def test_an_output_limit_is_set_where_it_stands_or_added_and_no_other_byte_changes(body, expected):
    assert with_number(body, ("max_completion_tokens", "max_tokens"), 9) == expected


def member(name: str, value: Any, *, escaped: bool = False) -> str:
    key = json.dumps(name) if not escaped else '"' + "".join(f"\\u{ord(letter):04x}" for letter in name) + '"'
    return f"{key}:{json.dumps(value)}"


@given(
    fields=st.dictionaries(st.text(max_size=8), VALUE, max_size=6),
    indent=st.sampled_from([None, 0, 2]),
    separators=st.sampled_from([(",", ":"), (", ", ": ")]),
)
@settings(max_examples=200, deadline=None)
def test_a_body_that_gives_each_field_once_is_never_taken_for_another(
    fields: dict[str, Any], indent: int | None, separators: tuple[str, str]
):
    whole = {"model": "m", "tools": [{"model": 1, "type": {"model": {}}}, '"model":"model"'], **fields}
    assert doubled_field(json.dumps(whole, indent=indent, separators=separators).encode()) == ""


@given(
    fields=st.dictionaries(st.text(max_size=8), VALUE, min_size=1, max_size=6),
    again=VALUE,
    at=st.integers(0, 6),
    which=st.integers(0, 5),
    escaped=st.booleans(),
    blanks=st.sampled_from(["", " ", "\n\t"]),
)
@settings(max_examples=300, deadline=None)
def test_a_field_that_is_given_twice_is_found_wherever_it_stands_and_however_it_is_written(
    fields: dict[str, Any], again: Any, at: int, which: int, escaped: bool, blanks: str
):
    doubled = list(fields)[which % len(fields)]
    members = [member(name, value) for name, value in fields.items()]
    members.insert(at, member(doubled, again, escaped=escaped and doubled.isascii()))
    body = "{" + f"{blanks},".join(members) + blanks + "}"
    assert doubled_field(body.encode()) == doubled


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"max_tokens":100000,"max_tokens":10}', "max_tokens"),
        (b'{"max_tokens":10,"max_tokens":100000}', "max_tokens"),
        (b'{"max_tokens":100,"max_tokens":10,"n":1}', "max_tokens"),  # the last one's value begins the first one's
        (b'{"n":1,"n":1}', "n"),
        (b'{"generationConfig":{"maxOutputTokens":9,"maxOutputTokens":1}}', "generationConfig.maxOutputTokens"),
        (b'{"inferenceConfig": {"maxTokens": 9}, "inferenceConfig": {}}', "inferenceConfig"),
        (b'{"inferenceConfig":null,"serviceTier":{"type":"flex","type":"priority"}}', "serviceTier.type"),
        (b'{"a":{"model":1,"model":2}}', ""),
        (b" {} ", ""),
    ],
)
def test_what_stands_twice_is_named(body: bytes, expected: str):
    assert doubled_field(body) == expected
