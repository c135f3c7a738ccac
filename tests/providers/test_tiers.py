"""Another service tier in a request: that one field, in each dialect that has one, and every other byte as it came."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.providers.bedrock import BedrockConverse
from bursar.providers.google import GeminiGenerate
from bursar.providers.registry import DIALECTS
from bursar.providers.tiers import FLEX, SILENT, STANDARD, with_tier

SPEAK: dict[str, Any] = {
    "openai-chat": DIALECTS["openai-chat"],
    "openai-responses": DIALECTS["openai-responses"],
    "anthropic-messages": DIALECTS["anthropic-messages"],
    "gemini-generate": GeminiGenerate("gemini", "gemini-2.5-pro"),
    "vertex-generate": GeminiGenerate("vertex", "gemini-2.5-pro"),
    "bedrock-converse": BedrockConverse("amazon.nova-pro-v1:0"),
}
TABLE = """
openai-chat        | standard | {"model":"m","service_tier": "priority","n":1}  | {"model":"m","service_tier": "default","n":1}
openai-chat        | standard | {"service_tier":"auto","model":"m"}             | {"service_tier":"default","model":"m"}
openai-chat        | standard | {"model":"m"}                                   | {"model":"m"}
openai-chat        | standard | {"model":"m","service_tier":"default"}          | {"model":"m","service_tier":"default"}
openai-chat        | flex     | {"model":"m"}                                   | {"service_tier":"flex","model":"m"}
openai-chat        | flex     | {"model":"m","service_tier":"priority"}         | {"model":"m","service_tier":"flex"}
openai-chat        | flex     | {"model":"m", "service_tier":"flex"}            | {"model":"m", "service_tier":"flex"}
openai-chat        | standard | {"model":"m","service_tier":"flex"}             | {"model":"m","service_tier":"default"}
openai-responses   | standard | {"model":"m","input":"","service_tier":"fast"}  | {"model":"m","input":"","service_tier":"default"}
openai-responses   | flex     | {"model":"m","input":""}                        | {"service_tier":"flex","model":"m","input":""}
anthropic-messages | standard | {"model":"m","max_tokens":9,"speed":"fast"}     | {"model":"m","max_tokens":9,"speed":"standard"}
anthropic-messages | standard | {"service_tier":"auto","model":"m"}             | {"service_tier":"standard_only","model":"m"}
anthropic-messages | flex     | {"model":"m"}                                   | {"model":"m"}
gemini-generate    | standard | {"service_tier":"PRIORITY"}                     | {"service_tier":"standard"}
gemini-generate    | flex     | {"tools":[]}                                    | {"serviceTier":"flex","tools":[]}
vertex-generate    | flex     | {"contents":[]}                                 | {"serviceTier":"flex","contents":[]}
bedrock-converse   | standard | {"serviceTier":{"type":"priority"}}             | {"serviceTier":{"type":"default"}}
bedrock-converse   | standard | {"performanceConfig":{"latency":"optimized"}}   | {"performanceConfig":{"latency":"standard"}}
bedrock-converse   | flex     | {"messages":[]}                                 | {"serviceTier":{"type":"flex"},"messages":[]}
"""  # noqa: E501


@pytest.mark.parametrize("line", TABLE.strip().splitlines())
def test_only_the_tier_changes(line: str):
    dialect, tier, body, sent = (part.strip() for part in line.split("|"))
    asked = SPEAK[dialect].read_request(body.encode())
    found = with_tier(dialect, asked, body.encode(), tier)
    assert found is not None
    assert found[1].decode() == sent
    again = SPEAK[dialect].read_request(found[1]).tier
    assert again == FLEX or again in SILENT
    assert again == found[0].tier or {again, found[0].tier} <= SILENT


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        ("openai-chat", '{"model":"m","service_tier":"priority","service_tier":"priority"}'),
        ("bedrock-invoke", '{"max_tokens":1}'),
        ("openai-completions", '{"model":"m","service_tier":"priority"}'),
    ],
)
def test_a_tier_that_cannot_be_changed_is_told_and_never_passed_over(dialect: str, body: str):
    asked = SPEAK["openai-chat"].read_request(b'{"model":"m","service_tier":"priority"}')
    assert with_tier(dialect, asked, body.encode(), STANDARD) is None


text = st.text(max_size=8)
values = st.recursive(st.none() | st.booleans() | st.integers() | text, lambda inner: st.lists(inner, max_size=3))
TIER_FIELDS = {"service_tier", "serviceTier", "speed", "performanceConfig"}


@given(
    dialect=st.sampled_from(["openai-chat", "openai-responses", "anthropic-messages", "gemini-generate"]),
    more=st.dictionaries(text.filter(lambda name: name not in TIER_FIELDS), values, max_size=4),
    said=st.sampled_from(["priority", "fast", "auto", "flex", "scale"]),
    tier=st.sampled_from([STANDARD, FLEX]),
    spaced=st.booleans(),
)
def test_whatever_else_a_request_says_stays(dialect: str, more: dict[str, Any], said: str, tier: str, spaced: bool):
    dump = {"indent": 1} if spaced else {"separators": (",", ":")}
    body = json.dumps({"model": "m", **more, "service_tier": said} | {"model": "m"}, **dump).encode()  # type: ignore[arg-type]
    asked = SPEAK["openai-chat"].read_request(b'{"model":"m","service_tier":"%b"}' % said.encode())
    found = with_tier(dialect, asked, body, tier)
    assert found is not None
    before, after = json.loads(body), json.loads(found[1])
    assert list(before) == list(after)
    assert {name: value for name, value in after.items() if name not in TIER_FIELDS} == {
        name: value for name, value in before.items() if name not in TIER_FIELDS
    }
    at = body.index(b'"service_tier"')
    assert found[1][:at] == body[:at]
