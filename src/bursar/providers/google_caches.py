"""Cached contents of the Gemini API and Vertex: what is kept costs by the token and the hour.

A creation's answer says how many tokens are kept and until when: its storage is counted for that time. Whether it will
live so long nobody knows yet, so the charge is estimated. On Vertex the creation is billed as input too (Google's price
page, 2026). A change's answer says until when it is kept now; what that adds is known with the end from before, which
the worker looks up. A deletion costs nothing. What it all came to is worked out in the books (`ledger/caches.py`).
Lists and reads are passed on.
Source: google-genai 3.4.0's schema of CachedContent; Google's reference of cachedContents.patch (only the expiration
can be changed) and guide to caching (a lifetime that isn't said is one hour), 2026-11; no recording could be had.
"""

import re
from datetime import UTC, datetime
from typing import Any

import msgspec

from bursar.domain.charge import Operation
from bursar.domain.clock import us_from_datetime
from bursar.domain.errors import BursarError, MissingField
from bursar.domain.storage import storage_usage, token_hours
from bursar.domain.usage import Usage
from bursar.providers import errors
from bursar.providers.base import Dialect
from bursar.providers.google import GeminiCountTokens
from bursar.providers.google_paths import split_family
from bursar.providers.media import media_of_gemini
from bursar.providers.models import ModelList
from bursar.providers.reading import clip, decode_answer, decode_request
from bursar.providers.values import COUNT_MAX, Answer, Asked, Count, Keeps, Kept, ModelName

NO_MODEL = "cached-contents"
"""Stands for the model of a change, which doesn't name it; the answer does."""

_PATH = re.compile(
    r"/v1(?:alpha|beta1?)?(?P<vertex>/projects/[^/]+/locations/[^/]+)?/cachedContents(?P<id>/[^/:?]+)?", re.ASCII
)
_DURATION = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,9}))?s", re.ASCII)


class _Request(msgspec.Struct, rename="camel"):
    """Both spellings of each field: Google takes either."""

    model: ModelName | None = None
    ttl: Any = None
    expire_time: Any = None
    snake_expire: Any = msgspec.field(default=None, name="expire_time")


class _UsageMetadata(msgspec.Struct, rename="camel"):
    total_token_count: Count | None = None


class _Kept(msgspec.Struct, rename="camel"):
    name: str | None = None
    model: str | None = None
    create_time: datetime | None = None
    update_time: datetime | None = None
    expire_time: datetime | None = None
    usage_metadata: _UsageMetadata | None = None
    error: Any = None


_REQUEST = msgspec.json.Decoder(_Request)
_KEPT = msgspec.json.Decoder(_Kept)


class GeminiCache(GeminiCountTokens):
    """`POST …/cachedContents`, and with the name of one `PATCH …/cachedContents/ID`."""

    def __init__(self, family: str, name: str = "", *, changes: bool = False) -> None:
        super().__init__(family)
        self.name = f"{family}-cache{'-change' if changes else ''}"
        self.operation = Operation.CACHE_CHANGE if changes else Operation.CACHE
        self._changes = changes
        self._cached = name

    def read_request(self, body: bytes) -> Asked:
        seen = decode_request(_REQUEST, body)
        if not seen.model and not self._changes:
            raise MissingField("a cached content names its model", field="model")
        media, data_bytes = ((), 0) if self._changes else media_of_gemini(body)
        ends = [at_us for at_us in map(_instant_us, (seen.expire_time, seen.snake_expire)) if at_us is not None]
        return Asked(
            own_name(seen.model) if seen.model and not self._changes else NO_MODEL,
            max_output_tokens=0,
            media=media,
            data_bytes=data_bytes,
            keeps=Keeps(_duration_us(seen.ttl), max(ends, default=None), own_name(self._cached)),
        )

    def read_answer(self, body: bytes, status: int) -> Answer:
        if status >= 400:
            return Answer(error_code=errors.error_code(body, status), complete=True)
        seen = decode_answer(_KEPT, body)
        if seen is None:
            return Answer()
        kept = _kept(seen, changes=self._changes)
        until = f"until {seen.expire_time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if seen.expire_time else ""
        return Answer(
            None if kept is None or self._changes else self._storage(kept),
            clip(own_name(seen.model or "")),
            "",
            until,
            upstream_id=clip(seen.name or self._cached),
            complete=True,
            kept=kept,
        )

    def _storage(self, kept: Kept) -> Usage:
        """From the creation to the expected end."""
        return storage_usage(kept.tokens, kept.until_us - kept.from_us, kept.tokens if self.family == "vertex" else 0)

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
        return Answer(Usage(), upstream_id=clip(self._cached), complete=True, kept=Kept())


def own_name(model: str) -> str:
    """`models/gemini-2.5-flash` and `projects/…/models/gemini-2.5-flash` as the model's own name."""
    return model.rpartition("/")[2]


def _kept(seen: _Kept, *, changes: bool) -> Kept | None:
    """What an answer says of time and tokens; None where a part isn't said, or can't be believed."""
    tokens = seen.usage_metadata.total_token_count if seen.usage_metadata else None
    since = (seen.update_time or seen.create_time) if changes else seen.create_time
    from_us, until_us = _us(since), _us(seen.expire_time)
    if tokens is None or from_us is None or until_us is None or until_us < from_us:
        return None
    return Kept(tokens, from_us, until_us) if token_hours(tokens, until_us - from_us) <= COUNT_MAX else None


def _us(at: datetime | None) -> int | None:
    return None if at is None or at.tzinfo is None else us_from_datetime(at)


def _duration_us(said: Any) -> int | None:
    """protobuf's Duration in JSON, `3600.5s`, in microseconds, rounded up; None where it isn't one."""
    found = _DURATION.fullmatch(said) if isinstance(said, str) else None
    if found is None:
        return None
    return int(found[1]) * 1_000_000 + -(-int((found[2] or "0").ljust(9, "0")) // 1_000)


def _instant_us(said: Any) -> int | None:
    """protobuf's Timestamp in JSON, in microseconds since the epoch; None where it isn't one."""
    try:
        return _us(msgspec.convert(said, datetime)) if isinstance(said, str) else None
    except msgspec.ValidationError:
        return None


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
    if found["id"] is None:
        kinds: dict[str, Dialect] = {"POST": CACHES[family], "GET": FREE[family]}
        return (kinds[method], path) if method in kinds else None
    name = path.split("/", 2)[2]
    match method:
        case "PATCH":
            return GeminiCache(family, name, changes=True), path
        case "DELETE":
            return GeminiCacheDelete(family, name), path
        case "GET":
            return FREE[family], path
    return None
