"""What a Google path means: whose model, and what is done with it.

Gemini: `/v1beta/models/MODEL:generateContent`. Vertex: the same behind `/projects/P/locations/L/publishers/google`.
"""

import re

from bursar.providers.base import Dialect
from bursar.providers.google import GeminiCountTokens, GeminiEmbed, GeminiGenerate, VertexCountTokens, VertexMessages

_PATH = re.compile(
    r"(?P<version>/v1(?:alpha|beta1?)?)"
    r"(?P<vertex>(?:/projects/[^/]+/locations/[^/]+)?/publishers/(?P<publisher>google|anthropic))?"
    r"/models/(?P<model>[^/:?]+):(?P<action>[A-Za-z]+)"
)
_MODEL_OF_PATH = re.compile(r"(?<=/models/)[^/:?]+(?=:[A-Za-z]+$)")


def split_family(path: str) -> tuple[str, str]:
    """The family that a path of ours begins with, "" for none, and the path at the provider.

    >>> split_family("/vertex/v1/models/m:countTokens"), split_family("/v1beta/cachedContents")
    (('vertex', '/v1/models/m:countTokens'), ('', '/v1beta/cachedContents'))
    """
    for family in ("gemini", "vertex"):
        if path.startswith(f"/{family}/v"):
            return family, path[len(family) + 1 :]
    return "", path


def google_dialect(path: str) -> tuple[Dialect, str] | None:
    """The dialect of a POST's path, bound to its model, and the path at the provider; None if it isn't Google's."""
    family, path = split_family(path)
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    named = "vertex" if found["vertex"] else "gemini"
    if family not in ("", named):
        return None
    model, action = found["model"], found["action"]
    if found["publisher"] == "anthropic":
        if action not in ("rawPredict", "streamRawPredict"):
            return None
        if model == "count-tokens":
            return VertexCountTokens(), path
        return VertexMessages(model, streams=action == "streamRawPredict"), path
    match action:
        case "generateContent" | "streamGenerateContent":
            return GeminiGenerate(named, model, streams=action == "streamGenerateContent"), path
        case "countTokens":
            return GeminiCountTokens(named, model), path
        case "embedContent" | "batchEmbedContents":
            return GeminiEmbed(named, model), path
    return None


def with_model(path: str, model: str) -> str:
    """The same path for another model."""
    return _MODEL_OF_PATH.sub(lambda _: model, path)
