"""What a model's name means to a caller, and that rewriting it touches nothing else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.domain.errors import BadRequest, NoUpstream
from bursar.gateway.decide import with_model
from bursar.gateway.names import Named, Names
from bursar.gateway.outbox import Outbox
from bursar.gateway.route import Route
from bursar.gateway.settings import UpstreamSettings
from bursar.gateway.upstream import PoolLimits
from bursar.providers.base import Asked
from bursar.providers.registry import DIALECTS

UPSTREAMS = (
    ("openai", "openai", "openai", []),
    ("openai-eu", "openai", "openai", ["gpt-4o-eu*"]),
    ("groq", "openai", "groq", ["llama-*"]),
    ("openrouter", "openai", "openrouter", ["meta-llama/*", "groq/mixed"]),
    ("anthropic", "anthropic", "anthropic", []),
)
ALIASES = {"fast": "openai/gpt-4o-mini", "plain": "gpt-4o", "smart": "anthropic/claude-opus-4-1"}
NAMES = Names(
    [
        Route(UpstreamSettings(name, "https://x.test", family, provider, models=models), b"", PoolLimits(), Outbox())
        for name, family, provider, models in UPSTREAMS
    ],
    ALIASES,
)


@pytest.mark.parametrize(
    ("family", "asked", "meant"),
    [
        ("openai", "gpt-4o", None),
        ("openai", "openai/gpt-4o", Named("openai", "gpt-4o")),
        ("openai", "openai:gpt-4o", Named("openai", "gpt-4o")),
        ("openai", "openai/gpt-4o-eu-1", Named("openai-eu", "gpt-4o-eu-1")),
        ("openai", "openai-eu/gpt-4o", Named("openai-eu", "gpt-4o")),
        ("openai", "groq/llama-3:8b", Named("groq", "llama-3:8b")),
        ("openai", "groq/mixed", None),
        ("openai", "openrouter/meta-llama/x", Named("openrouter", "meta-llama/x")),
        ("openai", "meta-llama/x", None),
        ("openai", "ft:gpt-4o:acme::x", None),
        ("openai", "openai/", None),
        ("openai", "", None),
        ("openai", "fast", Named("openai", "gpt-4o-mini")),
        ("openai", "plain", Named("", "gpt-4o")),
        ("anthropic", "anthropic/claude-x", Named("anthropic", "claude-x")),
        ("anthropic", "smart", Named("anthropic", "claude-opus-4-1")),
    ],
)
def test_a_name_means_an_upstream_and_its_own_word_for_the_model(family: str, asked: str, meant: Named | None) -> None:
    for _ in range(2):  # worked out, and remembered
        assert NAMES.read(family, asked) == meant


def test_what_another_dialect_speaks_is_refused_with_what_would_work() -> None:
    with pytest.raises(NoUpstream) as refused:
        NAMES.read("openai", "smart")
    assert "/v1/messages" in refused.value.message
    assert "groq/MODEL" in refused.value.message
    assert refused.value.field == "model"


@given(
    before=st.dictionaries(st.text(max_size=5).filter(lambda name: name != "model"), st.text(max_size=9), max_size=3),
    after=st.dictionaries(st.text(max_size=5).filter(lambda name: name != "model"), st.integers(), max_size=3),
    asked=st.text(max_size=20),
    sent=st.text(max_size=20),
    indent=st.sampled_from([None, 1]),
)
def test_only_the_model_changes(
    before: dict[str, str], after: dict[str, int], asked: str, sent: str, indent: int | None
) -> None:
    body = json.dumps({**before, "model": asked, **after}, indent=indent).encode()
    expected = json.dumps({**before, "model": "\0", **after}, indent=indent, ensure_ascii=True).encode()
    now, changed = with_model(Asked(asked), body, sent, DIALECTS["openai-chat"])
    assert now.model == sent
    assert json.loads(changed)["model"] == sent
    if b'"\\u0000"' in expected and expected.count(b'"\\u0000"') == 1:
        head, tail = expected.split(b'"\\u0000"')
        assert changed.startswith(head)
        assert changed.endswith(tail)


def test_a_body_that_names_two_models_is_refused() -> None:
    with pytest.raises(BadRequest):
        with_model(Asked("a"), b'{"model":"a","model":"b"}', "c", DIALECTS["openai-chat"])
