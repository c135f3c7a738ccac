"""Names that a call may give a model: `provider/model`, `provider:model` and the site's aliases.

Read before any policy is asked, so that a rule about `gpt-4o` is about `openai/gpt-4o` too.
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from bursar.domain.errors import NoUpstream
from bursar.gateway.route import Route

NAMES_REMEMBERED = 4096
PATHS = {"openai": "/v1/chat/completions, /v1/responses or /v1/embeddings", "anthropic": "/v1/messages"}


class Named(NamedTuple):
    """What a name means: the model as its provider calls it. upstream: "" where the model itself decides that."""

    upstream: str
    model: str


class Names:
    """Reads names; what it found is remembered, in a bounded memo."""

    def __init__(self, routes: Sequence[Route], aliases: Mapping[str, str]) -> None:
        self._routes = routes
        self._aliases = dict(aliases)
        self._prefixes = {route.name for route in routes} | {route.provider for route in routes}
        self._seen: dict[tuple[str, str, str, bool], Named | None] = {}

    def read(self, family: str, asked: str, dialect: str = "", *, elsewhere: bool = False) -> Named | None:
        """What `asked` means to a caller of this dialect family; None: it is a model's own name.

        elsewhere: the caller may ask upstreams of other families too, where its dialect is translated for them.
        Raises NoUpstream where the provider it names can't be reached in these dialects.
        """
        key = (family, asked, dialect, elsewhere)
        try:
            return self._seen[key]
        except KeyError:
            pass
        named = self._read(family, self._aliases.get(asked, asked), dialect, elsewhere=elsewhere)
        if named is None and asked in self._aliases:
            named = Named("", self._aliases[asked])
        if len(self._seen) >= NAMES_REMEMBERED:
            self._seen.clear()
        self._seen[key] = named
        return named

    def _read(self, family: str, name: str, dialect: str, *, elsewhere: bool) -> Named | None:
        prefix, model = self._split(name)
        if not model:
            return None
        speaking = [route for route in self._routes if family in route.families]
        if any(fnmatchcase(name, pattern) for route in speaking for pattern in route.settings.models):
            return None  # an upstream's own models are called so: `openai/gpt-4o` at OpenRouter
        meant = [route for route in self._routes if route.name == prefix]
        meant += [route for route in self._routes if route.provider == prefix and route.name != prefix]
        fitting = [route for route in meant if family in route.families]
        if elsewhere and not fitting:
            fitting = [route for route in meant if route.interpreter_for(dialect) is not None]
        for route in fitting:
            if any(fnmatchcase(model, pattern) for pattern in route.settings.models):
                return Named(route.name, model)
        if fitting:
            return Named(fitting[0].name, model)
        raise NoUpstream(
            f"model {name!r}: {prefix!r} is not reachable in the {family} dialects. {_ways(meant, speaking)}",
            field="model",
        )

    def _split(self, name: str) -> tuple[str, str]:
        """The prefix that names an upstream or a provider, and what is behind it; ("", "") if none does."""
        for at, character in enumerate(name):
            if character in "/:":
                prefix = name[:at]
                return (prefix, name[at + 1 :]) if prefix in self._prefixes else ("", "")
        return "", ""


def _ways(meant: Sequence[Route], speaking: Sequence[Route]) -> str:
    """What would work instead."""
    families = sorted({route.family for route in meant})
    told = "; ".join(f"ask it at {PATHS.get(family, 'the paths of its own dialect')}" for family in families)
    others = ", ".join(f"{route.name}/MODEL" for route in speaking)
    if others:
        told += f"{'; ' if told else ''}these can be asked here: {others}"
    return told[:1].upper() + told[1:]
