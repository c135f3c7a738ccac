"""Cached contents of the Gemini API and Vertex: what is kept costs by the token and the hour.

A creation's answer says how many tokens are kept and until when: its storage is counted for that time, in token-hours.
Whether it will live so long nobody knows yet, so the charge is estimated. On Vertex the creation is billed as input too
(Google's price page, 2026). What a changed lifetime adds or saves stands in no answer: such a change is unpriced.
A deletion is a row that costs nothing and says when the storage ended. Creations and changes say until when it is kept
(`finish_reason`), and all three the name (`upstream_id`): so what it truly cost can be worked out from the books.
Lists and reads are passed on.
Source: google-genai 3.4.0's schema of CachedContent; no recording could be had.
"""

import re
from datetime import UTC, datetime
from typing import Any

import msgspec

from bursar.domain.charge import Operation
from bursar.domain.errors import BursarError, MissingField
from bursar.domain.usage import Usage
from bursar.providers import errors
from bursar.providers.base import Dialect
from bursar.providers.google import GeminiCountTokens
from bursar.providers.google_paths import split_family
from bursar.providers.models import ModelList
from bursar.providers.reading import clip, decode_answer, decode_request
from bursar.providers.values import Answer, Asked, Count, ModelName

HOUR_S = 3_600
NO_MODEL = "cached-contents"
"""Stands for the model of a change, which doesn't name it; the answer does."""

_PATH = re.compile(
    r"/v1(?:alpha|beta1?)?(?P<vertex>/projects/[^/]+/locations/[^/]+)?/cachedContents(?P<id>/[^/:?]+)?", re.ASCII
)


class _Request(msgspec.Struct):
    model: ModelName | None = None


class _UsageMetadata(msgspec.Struct, rename="camel"):
    total_token_count: Count | None = None


class _Kept(msgspec.Struct, rename="camel"):
    name: str | None = None
    model: str | None = None
    create_time: datetime | None = None
    expire_time: datetime | None = None
    usage_metadata: _UsageMetadata | None = None
    error: Any = None


_REQUEST = msgspec.json.Decoder(_Request)
_KEPT = msgspec.json.Decoder(_Kept)


class GeminiCache(GeminiCountTokens):
    """`POST …/cachedContents`, and with `changes` `PATCH …/cachedContents/ID`."""

    def __init__(self, family: str, *, changes: bool = False) -> None:
        super().__init__(family)
        self.name = f"{family}-cache{'-change' if changes else ''}"
        self.operation = Operation.CACHE_CHANGE if changes else Operation.CACHE
        self._changes = changes

    def read_request(self, body: bytes) -> Asked:
        model = decode_request(_REQUEST, body).model
        if not model and not self._changes:
            raise MissingField("a cached content names its model", field="model")
        return Asked(own_name(model) if model else NO_MODEL, max_output_tokens=0)

    def read_answer(self, body: bytes, status: int) -> Answer:
        if status >= 400:
            return Answer(error_code=errors.error_code(body, status), complete=True)
        seen = decode_answer(_KEPT, body)
        if seen is None:
            return Answer()
        usage = None if self._changes else self._storage(seen)
        until = f"until {seen.expire_time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if seen.expire_time else ""
        return Answer(usage, clip(own_name(seen.model or "")), "", until, upstream_id=clip(seen.name), complete=True)

    def _storage(self, seen: _Kept) -> Usage | None:
        """Token-hours from the creation to the expected end, rounded to whole ones; None where a part isn't said."""
        tokens = seen.usage_metadata.total_token_count if seen.usage_metadata else None
        if tokens is None or seen.create_time is None or seen.expire_time is None:
            return None
        if (seen.create_time.tzinfo is None) or (seen.expire_time.tzinfo is None):
            return None
        seconds = round((seen.expire_time - seen.create_time).total_seconds())
        if seconds < 0:
            return None
        return Usage(
            input=tokens if self.family == "vertex" else 0,
            cache_storage=(tokens * seconds + HOUR_S // 2) // HOUR_S,
        )

    def error(self, error: BursarError, call_id: str) -> bytes:
        return errors.google_error(error, call_id)


class GeminiCacheDelete(GeminiCountTokens):
    """`DELETE …/cachedContents/ID`: free. name: of the cached content, from the path, since the answer is empty."""

    def __init__(self, family: str, name: str = "") -> None:
        super().__init__(family)
        self.name = f"{family}-cache-delete"
        self.operation = Operation.CACHE_DELETE
        self._cached = name

    def read_request(self, body: bytes) -> Asked:
        return Asked(NO_MODEL, max_output_tokens=0, model_in_path=True)

    def read_answer(self, body: bytes, status: int) -> Answer:
        if status >= 400:
            return Answer(error_code=errors.error_code(body, status), complete=True)
        return Answer(Usage(), upstream_id=clip(self._cached), complete=True)


def own_name(model: str) -> str:
    """`models/gemini-2.5-flash` and `projects/…/models/gemini-2.5-flash` as the model's own name."""
    return model.rpartition("/")[2]


CACHES = {family: GeminiCache(family) for family in ("gemini", "vertex")}
CHANGES = {family: GeminiCache(family, changes=True) for family in ("gemini", "vertex")}
DELETIONS = {family: GeminiCacheDelete(family) for family in ("gemini", "vertex")}
FREE = {family: ModelList(f"{family}-cache-models", family) for family in ("gemini", "vertex")}
"""Passed on like a list of models."""


def cache_dialect(method: str, path: str) -> tuple[Dialect, str] | None:
    """The dialect of a path of cached contents, and the path at the provider; None if it is no such path."""
    named, path = split_family(path)
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    family = "vertex" if found["vertex"] else "gemini"
    if named not in ("", family):
        return None
    kinds: dict[tuple[str, bool], dict[str, Any]] = {
        ("POST", False): CACHES, ("PATCH", True): CHANGES, ("GET", False): FREE, ("GET", True): FREE,
    }  # fmt: skip
    if method == "DELETE" and found["id"] is not None:
        return GeminiCacheDelete(family, path.split("/", 2)[2]), path
    kind = kinds.get((method, found["id"] is not None))
    return None if kind is None else (kind[family], path)
