"""Services that are compatible with a dialect, one declaration of a few lines each. Adding one touches this file alone.

`[upstreams.groq]` in bursar.toml takes what it doesn't say from here; docs/services.md lists all, and a test compares.
Usage needs no declaration: the readers of `openai_usage.py` know all that these services report, each from a recording
or, where none could be had, from the provider's public documentation.
Source: the providers' public API documentation, 2026; tests/golden for Azure, Cerebras, DeepSeek, Groq, Hugging Face,
Mistral, OpenRouter, Together, Voyage and Z.ai.
"""

from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

import msgspec

SIGV4 = "sigv4"
AUTHS = ("", "bearer", "x-api-key", "api-key", "x-goog-api-key", SIGV4)
"""The header that carries the operator's key; "": as the dialect's own provider has it. SIGV4: AWS's signature."""

CHAT = ("openai-chat",)
EMBEDS = ("openai-chat", "openai-embeddings")
RESPONDS = ("openai-chat", "openai-responses")
COMPLETES = ("openai-chat", "openai-completions")
AUDIO = ("openai-transcriptions", "openai-translations")
LOCAL = ("openai-chat", "openai-responses", "openai-completions", "openai-embeddings")


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one service. The fields that `config.Upstream` has too are its defaults.

    base_url: "" where each customer has an address of their own.
    path_prefix: what stands there in the place of `/v1`.
    speaks: names of dialects, beside the list of models; empty: all of its family.
    provider: the id of its price list; where that has nothing, `bursar prices set PROVIDER/MODEL` has.
    include_usage: False where a stream reports usage unasked, or `stream_options` is refused.
    fee_per_request: patterns of the models that are sold with a fee for each request beside their tokens. Where the
        price list has no such fee for one of them its calls are unpriced: tokens alone would be too little.
    """

    base_url: str = ""
    path_prefix: str = "/v1"
    dialect: str = "openai"
    speaks: tuple[str, ...] = ()
    api_key_env: str = ""
    auth: str = ""
    provider: str = ""
    include_usage: bool = True
    fee_per_request: tuple[str, ...] = ()
    note: str = ""


SERVICES: dict[str, Service] = {
    "openai": Service(
        base_url="https://api.openai.com",
        api_key_env="OPENAI_API_KEY",
        fee_per_request=("*-search-preview*", "*-search-api*"),
        note="chat models that always search have a fee for each request, which the price list doesn't have",
    ),
    "anthropic": Service(
        base_url="https://api.anthropic.com", dialect="anthropic", auth="x-api-key", api_key_env="ANTHROPIC_API_KEY"
    ),
    "gemini": Service(
        base_url="https://generativelanguage.googleapis.com",
        dialect="gemini",
        api_key_env="GEMINI_API_KEY",
        provider="google",
    ),
    "azure": Service(
        dialect="azure",
        path_prefix="/openai/v1",
        auth="api-key",
        api_key_env="AZURE_OPENAI_API_KEY",
        note="`base_url` is the resource's own; deployments and `/openai/v1`",
    ),
    "bedrock": Service(
        base_url="https://bedrock-runtime.{region}.amazonaws.com",
        dialect="bedrock",
        auth=SIGV4,
        api_key_env="AWS_ACCESS_KEY_ID",
        provider="aws",
        note="`region` says which; signed with the secret and the session token that stand beside the key's id",
    ),
    "mistral": Service(
        base_url="https://api.mistral.ai",
        speaks=(*EMBEDS, *AUDIO),
        api_key_env="MISTRAL_API_KEY",
        include_usage=False,
        note="a stream's last chunk has its usage unasked; `stream_options` is an unknown field there",
    ),
    "groq": Service(
        base_url="https://api.groq.com/openai",
        speaks=(*RESPONDS, *AUDIO, "openai-speech"),
        api_key_env="GROQ_API_KEY",
        note="a stream's usage stands in `x_groq.usage`",
    ),
    "deepseek": Service(
        base_url="https://api.deepseek.com",
        speaks=(*RESPONDS, "openai-completions"),
        api_key_env="DEEPSEEK_API_KEY",
        note="cached input is `prompt_cache_hit_tokens`",
    ),
    "deepseek-anthropic": Service(
        base_url="https://api.deepseek.com/anthropic",
        dialect="anthropic",
        api_key_env="DEEPSEEK_API_KEY",
        provider="deepseek",
        note="the same models in Anthropic's dialect",
    ),
    "xai": Service(
        base_url="https://api.x.ai",
        speaks=(*RESPONDS, "openai-completions", "openai-images"),
        api_key_env="XAI_API_KEY",
        provider="x-ai",
        note="thinking stands in the total alone",
    ),
    "together": Service(
        base_url="https://api.together.xyz",
        speaks=(*COMPLETES, "openai-embeddings", "openai-images", "openai-speech", *AUDIO),
        api_key_env="TOGETHER_API_KEY",
    ),
    "fireworks": Service(
        base_url="https://api.fireworks.ai/inference",
        speaks=(*COMPLETES, "openai-embeddings", "openai-responses"),
        api_key_env="FIREWORKS_API_KEY",
    ),
    "cerebras": Service(base_url="https://api.cerebras.ai", speaks=COMPLETES, api_key_env="CEREBRAS_API_KEY"),
    "openrouter": Service(
        base_url="https://openrouter.ai/api",
        speaks=(*RESPONDS, "openai-completions", "openai-embeddings"),
        api_key_env="OPENROUTER_API_KEY",
        note="`usage.cost` is what it takes: kept beside our own figure",
    ),
    "perplexity": Service(
        base_url="https://api.perplexity.ai",
        path_prefix="",
        speaks=CHAT,
        api_key_env="PERPLEXITY_API_KEY",
        include_usage=False,
        fee_per_request=("sonar*", "*-sonar-*-online"),
        note="each request has a search fee; `usage.cost.total_cost` is kept beside our own figure",
    ),
    "cohere": Service(base_url="https://api.cohere.ai/compatibility", speaks=EMBEDS, api_key_env="COHERE_API_KEY"),
    "huggingface": Service(
        base_url="https://router.huggingface.co",
        speaks=RESPONDS,
        api_key_env="HF_TOKEN",
        note='prices are those of the provider behind it: `provider = "huggingface_groq"` and the like',
    ),
    "moonshot": Service(
        base_url="https://api.moonshot.ai", speaks=CHAT, api_key_env="MOONSHOT_API_KEY", provider="moonshotai"
    ),
    "zai": Service(base_url="https://api.z.ai/api/paas", path_prefix="/v4", speaks=CHAT, api_key_env="ZAI_API_KEY"),
    "voyage": Service(
        base_url="https://api.voyageai.com",
        speaks=("openai-embeddings",),
        api_key_env="VOYAGE_API_KEY",
        provider="voyageai",
        note="reports `total_tokens` alone",
    ),
    "ollama": Service(base_url="http://127.0.0.1:11434", speaks=LOCAL, note="self-hosted: set a price"),
    "vllm": Service(base_url="http://127.0.0.1:8000", speaks=(*LOCAL, *AUDIO), note="self-hosted: set a price"),
    "lm-studio": Service(base_url="http://127.0.0.1:1234", speaks=LOCAL, note="self-hosted: set a price"),
}
"""By the name that `[upstreams.NAME]` or its `service` gives. A list price of another name: `provider`."""

_DEFAULTS = ("base_url", "path_prefix", "dialect", "speaks", "api_key_env", "auth", "provider", "include_usage")


def defaults_of(name: str) -> dict[str, Any]:
    """What an upstream takes of its service where it says nothing itself; nothing for a name that nobody knows."""
    service = SERVICES.get(name)
    if service is None:
        return {}
    said = {field: getattr(service, field) for field in _DEFAULTS}
    said["provider"] = service.provider or name
    return {field: list(value) if isinstance(value, tuple) else value for field, value in said.items()}


FEES_REMEMBERED = 4_096
_FEES = {
    service.provider or name: service.fee_per_request for name, service in SERVICES.items() if service.fee_per_request
}


@lru_cache(maxsize=FEES_REMEMBERED)  # patterns cost 2 µs, and each call asks twice
def has_request_fee(provider: str, model: str) -> bool:
    """Whether a request to this model costs a fee beside its tokens, whatever any price list says."""
    patterns = _FEES.get(provider)
    return patterns is not None and any(fnmatchcase(model, pattern) for pattern in patterns)
