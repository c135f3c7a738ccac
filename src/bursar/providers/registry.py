"""Every dialect by name, and the one that a method and path mean. Adding a dialect is its module and a line here."""

from bursar.providers import bedrock, bedrock_paths, google_paths
from bursar.providers.anthropic import COUNT_TOKENS, MESSAGES
from bursar.providers.aside import beside
from bursar.providers.azure import deployment_path
from bursar.providers.base import Dialect
from bursar.providers.bedrock import bedrock_dialect
from bursar.providers.google import UNBOUND
from bursar.providers.google_caches import CACHES, CHANGES, DELETIONS, cache_dialect
from bursar.providers.google_paths import google_dialect
from bursar.providers.models import ANTHROPIC_MODELS, GEMINI_MODELS, OPENAI_MODELS
from bursar.providers.openai_chat import CHAT, COMPLETIONS
from bursar.providers.openai_embeddings import EMBEDDINGS
from bursar.providers.openai_media import IMAGES, MODERATIONS, SPEECH, TRANSCRIPTIONS, TRANSLATIONS
from bursar.providers.openai_realtime import REALTIME
from bursar.providers.openai_responses import COMPACTION, RESPONSES

_ALL: tuple[Dialect, ...] = (
    CHAT,
    RESPONSES,
    COMPACTION,
    EMBEDDINGS,
    COMPLETIONS,
    IMAGES,
    SPEECH,
    TRANSCRIPTIONS,
    TRANSLATIONS,
    MODERATIONS,
    MESSAGES,
    COUNT_TOKENS,
    OPENAI_MODELS,
    ANTHROPIC_MODELS,
    GEMINI_MODELS,
    *UNBOUND,
    *CACHES.values(),
    *CHANGES.values(),
    *DELETIONS.values(),
    *bedrock.UNBOUND,
)
DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in _ALL}
"""Those whose requests and answers have bodies: realtime is messages on a websocket, and found by its path alone."""


_PATHS: tuple[tuple[str, str, Dialect], ...] = (
    ("POST", "/chat/completions", CHAT),
    ("POST", "/responses", RESPONSES),
    ("POST", "/responses/compact", COMPACTION),
    ("POST", "/embeddings", EMBEDDINGS),
    ("POST", "/completions", COMPLETIONS),
    ("POST", "/images/generations", IMAGES),
    ("POST", "/images/edits", IMAGES),
    ("POST", "/images/variations", IMAGES),
    ("POST", "/audio/speech", SPEECH),
    ("POST", "/audio/transcriptions", TRANSCRIPTIONS),
    ("POST", "/audio/translations", TRANSLATIONS),
    ("POST", "/moderations", MODERATIONS),
    ("POST", "/messages", MESSAGES),
    ("POST", "/messages/count_tokens", COUNT_TOKENS),
    ("GET", "/models", OPENAI_MODELS),
    ("GET", "/realtime", REALTIME),
)
_PREFIXES = ("", "/v1", "/openai", "/openai/v1", "/anthropic", "/anthropic/v1")
_GEMINI_LISTS = ("/v1beta/models", "/gemini/v1beta/models")
_MODEL_PREFIXES = ("/v1/models/", "/models/", "/openai/v1/models/", "/anthropic/v1/models/")


def _routes() -> dict[tuple[str, str], tuple[Dialect, str]]:
    routes: dict[tuple[str, str], tuple[Dialect, str]] = {}
    for method, path, dialect in _PATHS:
        for prefix in _PREFIXES:
            named = ANTHROPIC_MODELS if dialect is OPENAI_MODELS and prefix.startswith("/anthropic") else dialect
            if prefix.removesuffix("/v1") in ("", "/" + named.family):
                routes[method, prefix + path] = (named, "/v1" + path)
    return routes


_ROUTES = _routes()


def dialect_for(method: str, path: str) -> tuple[Dialect, str] | None:
    """The dialect of a request, and the path at the provider: with `/v1`, without our prefix, the query as it came.

    None: no path that Bursar meters. `GET /v1/models` is OpenAI's here; the edge knows by `anthropic-version`.
    """
    found = _ROUTES.get((method, path))
    if found is not None:
        return found
    plain, mark, query = path.partition("?")
    found = _ROUTES.get((method, plain.rstrip("/")))
    if found is not None:
        return found[0], found[1] + mark + query
    deployed = deployment_path(plain) if method == "POST" else None
    if deployed is not None:
        inner = _ROUTES.get(("POST", "/v1" + deployed.rest))
        return inner and (deployed.bind(inner[0]), plain + mark + query)
    if (found_beside := beside(method, plain)) is not None:
        return found_beside.dialect, found_beside.path + mark + query
    if method == "POST" and "/model/" in plain and (invoked := bedrock_dialect(plain)) is not None:
        return invoked[0], invoked[1] + mark + query
    if "/cachedContents" in plain and (cached := cache_dialect(method, plain)) is not None:
        return cached[0], cached[1] + mark + query
    if method == "POST" and ":" in plain:
        bound = google_dialect(plain)
        return None if bound is None else (bound[0], bound[1] + mark + query)
    if method == "GET":
        for named in _GEMINI_LISTS:
            if plain == named or (plain.startswith(named + "/") and len(plain) > len(named) + 1):
                return GEMINI_MODELS, plain.removeprefix("/gemini") + mark + query
        for prefix in _MODEL_PREFIXES:
            if plain.startswith(prefix) and len(plain) > len(prefix):
                dialect = ANTHROPIC_MODELS if prefix.startswith("/anthropic") else OPENAI_MODELS
                return dialect, "/v1/models/" + plain[len(prefix) :] + mark + query
    return None


def with_model(path: str, model: str) -> str:
    """The same path for another model, of a dialect whose path names it."""
    if path.startswith(bedrock_paths.PREFIX):
        return bedrock_paths.with_model(path, model)
    return google_paths.with_model(path, model)
