"""A compatible service is a declaration: what `[upstreams.NAME]` doesn't say comes from there."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.config import Upstream, load_config
from bursar.domain.errors import ConfigError, NoUpstream
from bursar.domain.scope import Scope
from bursar.domain.tags import Attribution
from bursar.domain.usage import Usage
from bursar.gateway.forward import write_head
from bursar.gateway.identify import Credential
from bursar.gateway.outbox import Outbox
from bursar.gateway.route import Route, Routes
from bursar.gateway.settings import UpstreamSettings
from bursar.gateway.upstream import PoolLimits
from bursar.providers.registry import DIALECTS
from bursar.providers.services import AUTHS, SERVICES, defaults_of, has_request_fee

OPERATOR = Credential("k", "virtual", Scope("acme"), Attribution(), b"", b"")


def configured(toml: str, tmp_path: Path) -> dict[str, Upstream]:
    (tmp_path / "bursar.toml").write_text(toml)
    return load_config(tmp_path / "bursar.toml", env={}).upstreams


def route(name: str, **more: Any) -> Route:
    said = {**defaults_of(name), **more}
    said["base_url"] = said["base_url"] or "https://example.test"
    return Route(UpstreamSettings(name, **said), b"key", PoolLimits(), Outbox())


def test_a_name_and_a_key_are_enough(tmp_path: Path) -> None:
    upstreams = configured('[upstreams.groq]\napi_key_env = "MY_GROQ_KEY"\n[upstreams.mistral]\n', tmp_path)
    groq, mistral = upstreams["groq"], upstreams["mistral"]
    assert (groq.base_url, groq.api_key_env, groq.provider) == ("https://api.groq.com/openai", "MY_GROQ_KEY", "groq")
    assert (mistral.api_key_env, mistral.include_usage) == ("MISTRAL_API_KEY", False)
    assert upstreams["openai"].base_url == "https://api.openai.com"


def test_a_region_makes_bedrocks_address(tmp_path: Path) -> None:
    upstreams = configured('[upstreams.bedrock]\nregion = "eu-central-1"\n', tmp_path)
    bedrock = upstreams["bedrock"]
    assert bedrock.base_url == "https://bedrock-runtime.eu-central-1.amazonaws.com"
    assert (bedrock.provider, bedrock.auth, bedrock.api_key_env) == ("aws", "sigv4", "AWS_ACCESS_KEY_ID")
    keyed = '[upstreams.bedrock]\nregion = "us-east-1"\nauth = "bearer"\napi_key_env = "AWS_BEARER_TOKEN_BEDROCK"\n'
    assert configured(keyed, tmp_path)["bedrock"].auth == "bearer"


def test_a_second_endpoint_of_a_service_has_another_name(tmp_path: Path) -> None:
    upstreams = configured('[upstreams.grok-eu]\nservice = "xai"\nbase_url = "https://eu-west-1.api.x.ai"\n', tmp_path)
    assert upstreams["grok-eu"].provider == "x-ai"
    assert upstreams["grok-eu"].base_url == "https://eu-west-1.api.x.ai"


@pytest.mark.parametrize(
    ("toml", "field", "said"),
    [
        ("[upstreams.mine]\n", "upstreams.mine.base_url", "is missing"),
        ("[upstreams.azure]\n", "upstreams.azure.base_url", "is missing"),
        ('[upstreams.mine]\nservice = "grok"\n', "upstreams.mine.service", "services are openai"),
        ('[upstreams.groq]\nauth = "basic"\n', "upstreams.groq.auth", "it can be bearer"),
        ("[upstreams.bedrock]\n", "upstreams.bedrock.region", "such as us-east-1"),
        (
            '[upstreams.bedrock]\nbase_url = "https://proxy.example.com"\n',
            "upstreams.bedrock.region",
            "holds for one AWS region",
        ),
        (
            '[upstreams.bedrock]\nregion = "us-east-1"\napi_key_env = "MY_KEY"\n',
            "upstreams.bedrock.api_key_env",
            "ends in ACCESS_KEY_ID",
        ),
        (
            '[upstreams.bedrock]\nregion = "us-east-1"\nauth = "bearer"\n',
            "upstreams.bedrock.api_key_env",
            "a Bedrock API key",
        ),
    ],
)
def test_what_cannot_be_known_is_asked_for(toml: str, field: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=said) as error:
        configured(toml, tmp_path)
    assert error.value.field == field


def test_every_declaration_can_be_used() -> None:
    families = {"openai", "anthropic", "azure", "gemini", "bedrock"}
    for name, service in SERVICES.items():
        assert service.dialect in families, name
        assert service.auth in AUTHS, name
        assert all(DIALECTS[dialect].family == service.dialect for dialect in service.speaks), name
        assert service.path_prefix in ("", "/v1", "/v4", "/openai/v1"), name
        assert not service.base_url.endswith("/"), name


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("groq", b"POST /openai/v1/chat/completions HTTP/1.1"),
        ("perplexity", b"POST /chat/completions HTTP/1.1"),
        ("zai", b"POST /api/paas/v4/chat/completions HTTP/1.1"),
        ("openrouter", b"POST /api/v1/chat/completions HTTP/1.1"),
        ("azure", b"POST /openai/v1/chat/completions HTTP/1.1"),
        ("ollama", b"POST /v1/chat/completions HTTP/1.1"),
    ],
)
def test_the_path_at_a_service_is_its_own(name: str, line: bytes) -> None:
    head = write_head(route(name), "POST", "/v1/chat/completions", b"", [], OPERATOR)
    assert head.split(b"\r\n")[0] == line


@pytest.mark.parametrize(
    ("name", "line"),
    [("groq", b"authorization: Bearer key"), ("azure", b"api-key: key"), ("anthropic", b"x-api-key: key")],
)
def test_the_operators_key_goes_out_in_the_services_own_header(name: str, line: bytes) -> None:
    head = write_head(route(name), "POST", "/v1/x", b"", [], OPERATOR)
    assert head.count(b"key\r\n") == 1
    assert line in head


def test_what_a_service_does_not_speak_goes_elsewhere_or_is_refused_by_name() -> None:
    routes = Routes([route("cerebras", models=["llama*"]), route("together")])
    assert routes.choose("openai", "llama3", "openai-chat").name == "cerebras"
    assert routes.choose("openai", "llama3", "openai-embeddings").name == "together"
    with pytest.raises(NoUpstream, match=r"'cerebras' doesn't speak openai-embeddings; it speaks openai-chat"):
        routes.named("cerebras", "openai", "openai-embeddings")
    assert routes.named("cerebras", "openai", "openai-models").name == "cerebras"


def test_azure_speaks_openai_and_its_own_deployments() -> None:
    routes = Routes([route("openai"), route("azure")])
    assert routes.choose("azure", "my-gpt", "openai-chat").name == "azure"
    assert routes.choose("openai", "gpt-4o", "openai-chat").name == "openai"
    assert routes.named("azure", "openai", "openai-chat").name == "azure"


def test_perplexitys_models_have_a_fee_whatever_the_price_list_says() -> None:
    assert has_request_fee("perplexity", "sonar-pro-search")
    assert not has_request_fee("perplexity", "pplx-embed-v1-4b")
    assert not has_request_fee("openai", "sonar")


RESEARCH = (
    b'{"model":"sonar-deep-research","choices":[{"finish_reason":"stop"}],"usage":{"prompt_tokens":33,'
    b'"completion_tokens":7163,"total_tokens":7196,"citation_tokens":20016,"num_search_queries":18,'
    b'"reasoning_tokens":73997,"cost":{"input_tokens_cost":0.0,"total_cost":0.409}}}'
)  # synthetic, after Perplexity's published example


def test_deep_research_is_counted_whole_and_its_stated_cost_kept() -> None:
    answer = DIALECTS["openai-chat"].read_answer(RESEARCH, 200)
    assert answer.usage == Usage(input=20049, output=81160, web_search=18, reasoning=73997)
    assert answer.cost_pico == int(Decimal("0.409") * 10**12)


@given(cost=st.sampled_from(["null", "{}", '{"total_cost":null}', '{"total_cost":{}}', "[1]", '"x"', "{"]))
def test_a_stated_cost_that_cannot_be_read_is_none(cost: str) -> None:
    body = b'{"usage":{"prompt_tokens":1,"completion_tokens":1,"cost":%b}}' % cost.encode()
    assert DIALECTS["openai-chat"].read_answer(body, 200).cost_pico is None


def test_every_service_is_in_the_docs_as_it_is_declared() -> None:
    page = (Path(__file__).parents[2] / "docs" / "services.md").read_text("utf-8")
    for name, service in SERVICES.items():
        speaks = ", ".join(dialect.removeprefix("openai-") for dialect in service.speaks) or "all"
        cells = (service.base_url, service.path_prefix, service.api_key_env, service.provider or name, speaks)
        assert f"| `{name}` | {' | '.join(cell or '-' for cell in cells)} |" in page
        assert service.note in page


def test_the_settings_shown_in_the_docs_can_be_used(tmp_path: Path) -> None:
    shown = re.search(r"```toml\n(.*?)```", (Path(__file__).parents[2] / "docs/services.md").read_text(), re.DOTALL)
    assert shown
    assert configured(shown[1], tmp_path)["azure"].auth == "api-key"
