"""Which upstream a call goes to. The operator's configuration decides; a client can only choose among its names."""

from fnmatch import fnmatchcase

from bursar.domain.errors import NoUpstream
from bursar.gateway.health import Health
from bursar.gateway.outbox import Outbox
from bursar.gateway.settings import UpstreamSettings
from bursar.gateway.sigv4 import Signer, keys_from
from bursar.gateway.upstream import Origin, Pool, PoolLimits
from bursar.providers.bedrock_paths import region_of
from bursar.providers.openai_responses import COMPACTION, RESPONSES
from bursar.providers.services import SIGV4
from bursar.translate.codec import Codec
from bursar.translate.embeddings import EMBEDDINGS, Embedder
from bursar.translate.registry import EMBEDDERS, codec_of_upstream


class Route:
    """One upstream with its connection pool and the constant parts of what is sent there."""

    __slots__ = (
        "api_key",
        "auth",
        "base_path",
        "codec",
        "embedder",
        "families",
        "family",
        "health",
        "host_line",
        "name",
        "origin",
        "pool",
        "provider",
        "settings",
        "signer",
    )

    def __init__(self, settings: UpstreamSettings, api_key: bytes, limits: PoolLimits, outbox: Outbox) -> None:
        self.settings = settings
        self.name = settings.name
        self.family = settings.dialect
        self.families = FAMILIES.get(settings.dialect, (settings.dialect,))
        self.auth = settings.auth or AUTHS.get(settings.dialect, "bearer")
        self.provider = settings.provider
        self.codec = codec_of_upstream(settings.dialect, settings.provider, settings.speaks)
        self.embedder = EMBEDDERS.get(settings.dialect)
        self.api_key = api_key
        self.origin = Origin.parse(settings.base_url, settings.proxy, settings.ca_bundle)
        self.health = Health()
        self.pool = Pool(self.origin, limits, outbox)
        self.base_path = _base_path(settings.base_url)
        self.signer = _signer(settings) if self.auth == SIGV4 else None
        if self.auth == SIGV4 and self.signer is None:
            self.api_key = b""  # an id without its secret is no key
        self.host_line = b"host: " + self.origin.authority.encode("ascii") + b"\r\n"

    def speaks(self, family: str, dialect: str) -> bool:
        """Whether it takes requests of this dialect; every upstream has a list of models."""
        spoken = self.settings.speaks
        if dialect == COMPACTION.name:  # by whoever speaks Responses
            dialect = RESPONSES.name
        return family in self.families and (not spoken or not dialect or dialect in spoken or "-models" in dialect)

    def interpreter_for(self, dialect: str) -> Codec | Embedder | None:
        """Who says what a caller of this dialect asks in this upstream's words; None: nobody does."""
        return self.embedder if dialect == EMBEDDINGS else self.codec

    def path_at(self, path: str) -> str:
        """The path at the provider, who may have something else in the place of `/v1`."""
        return self.settings.path_prefix + path[3:] if path.startswith("/v1/") else path


class Routes:
    """All upstreams. `choose` is called for each call; its answers per (family, model, dialect) are remembered.

    elsewhere: the caller's request can be translated for upstreams that speak other dialects.
    """

    def __init__(self, routes: list[Route]) -> None:
        self.routes = routes
        self.by_name = {route.name: route for route in routes}
        self._chosen: dict[tuple[str, str, str, bool], Route] = {}

    def choose(self, family: str, model: str, dialect: str = "", *, elsewhere: bool = False) -> Route:
        """The first upstream of this dialect family that lists the model, else the first of any that lists it and can
        be translated for, else the family's default.

        The default is the upstream named like the family, else the first one that lists no models.
        Raises NoUpstream.
        """
        key = (family, model, dialect, elsewhere)
        route = self._chosen.get(key)
        if route is None:
            route = self._choose(family, model, dialect, elsewhere=elsewhere)
            if len(self._chosen) >= CHOICES_MAX:
                self._chosen.clear()
            self._chosen[key] = route
        return route

    def named(self, name: str, family: str, dialect: str = "", *, elsewhere: bool = False) -> Route:
        """The upstream a client named in its path: `/groq/v1/chat/completions`. Raises NoUpstream."""
        route = self.by_name[name]
        if elsewhere and route.interpreter_for(dialect) is not None:
            return route
        if family not in route.families:
            raise NoUpstream(
                f"upstream {name!r} speaks the {route.family} dialects; this path is of the {family} dialects",
                field="path",
            )
        if not route.speaks(family, dialect):
            raise NoUpstream(
                f"upstream {name!r} doesn't speak {dialect}; it speaks {', '.join(route.settings.speaks)} "
                f"(upstreams.{name}.speaks)",
                field="path",
            )
        return route

    def _choose(self, family: str, model: str, dialect: str, *, elsewhere: bool) -> Route:
        candidates = [route for route in self.routes if route.speaks(family, dialect)]
        others = [route for route in self.routes if elsewhere and route.interpreter_for(dialect) is not None]
        for route in [*candidates, *(other for other in others if other not in candidates)]:
            if any(fnmatchcase(model, pattern) for pattern in route.settings.models):
                return route
        for route in candidates:
            if route.name == family:
                return route
        for route in candidates:
            if not route.settings.models:
                return route
        raise NoUpstream(
            f"no upstream is configured for model {model!r} in {dialect or f'the {family} dialects'}: "
            f"add [upstreams.NAME] with dialect = {family!r} to bursar.toml",
            field="model",
        )


CHOICES_MAX = 4096

FAMILIES = {"azure": ("azure", "openai")}
"""Azure has OpenAI's paths below `/openai/v1`, and beside them deployments, which are in the path."""

AUTHS = {"anthropic": "x-api-key", "azure": "api-key", "gemini": "x-goog-api-key", "bedrock": SIGV4}
"""Where a provider takes its key, if not as a bearer; AWS takes a signature made with it."""


def _signer(settings: UpstreamSettings) -> Signer | None:
    """Who signs for an upstream at AWS; None where the environment lacks its keys."""
    keys = keys_from(settings.api_key_env)
    region = settings.region or region_of(settings.base_url)
    return Signer(keys, region) if keys is not None and region else None


def _base_path(base_url: str) -> str:
    """The path part of a base URL, without a trailing version: the client's own path brings that along."""
    path = base_url.split("://", 1)[1]
    path = path[path.index("/") :].rstrip("/") if "/" in path else ""
    return path.removesuffix("/v1").removesuffix("/v1beta")
