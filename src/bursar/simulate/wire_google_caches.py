"""Cached contents as Google keeps them: made, read, listed, changed (their end alone), deleted, or ended by themselves.

Source: Google's reference of cachedContents (create, get, list, patch, delete; `ttl` and `expireTime` are one of two,
and a lifetime that isn't said is one hour), 2026-11; google-genai 3.4.0's schema of CachedContent.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import msgspec

from bursar.domain.clock import Clock, datetime_from_us, us_from_datetime
from bursar.simulate.http import Request
from bursar.simulate.plan import Plan

CACHES_PATH = re.compile(r"/v1(?:alpha|beta1?)?/(?P<parent>projects/[^/]+/locations/[^/]+/)?cachedContents")
CACHES_MAX = 1_000
DEFAULT_TTL = timedelta(hours=1)
PAGE_MAX = 1_000
MASKS = ("ttl", "expireTime", "expire_time")
_ONE = re.compile(r"/v1(?:alpha|beta1?)?/(?P<name>(?:projects/[^/]+/locations/[^/]+/)?cachedContents/(?P<id>[^/]+))")
_encode = msgspec.json.Encoder().encode


def cached_content(plan: Plan) -> bytes:
    """CachedContent, as it is made."""
    created = datetime.fromtimestamp(plan.created_s, UTC)
    ask = plan.ask
    asked = {} if ask is None else {"ttl": ask.ttl, "expireTime": ask.expire_time}
    return _encode(
        {
            "name": f"{ask.parent if ask is not None else ''}cachedContents/{plan.request_id.removeprefix('req_')}",
            "model": f"models/{plan.model_served}",
            "createTime": created,
            "updateTime": created,
            "expireTime": _end(asked, created) or created + DEFAULT_TTL,
            "usageMetadata": {"totalTokenCount": plan.usage.total_input},
        }
    )


def lifetime(ttl: str) -> timedelta:
    """protobuf's Duration in JSON: "7200s". Raises ValueError."""
    return timedelta(seconds=float(ttl.removesuffix("s")))


class Caches:
    """What was made: answers GET, PATCH and DELETE of one, and the list of those that are kept."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._made: dict[str, dict[str, Any]] = {}
        self._gone_us: dict[str, int] = {}

    def keep(self, body: bytes) -> None:
        """Remember one as it was answered."""
        made = msgspec.json.decode(body)
        while len(self._made) >= CACHES_MAX:
            forgotten = next(iter(self._made))
            del self._made[forgotten]
            self._gone_us.pop(forgotten, None)
        self._made[_id(made["name"])] = made | {name: _time(made[name]) for name in made if name.endswith("Time")}

    def answer(self, request: Request) -> tuple[int, bytes] | None:
        """(status, body); None: no path of a cached content. `/sim/caches` is the list of `lives`."""
        if request.path == "/sim/caches":
            return 200, _encode(self.lives())
        if request.method == "GET" and CACHES_PATH.fullmatch(request.path):
            return 200, self._page(request.query)
        found = _ONE.fullmatch(request.path)
        if found is None:
            return None
        kept = self._made.get(found["id"])
        if kept is None or self._has_ended(kept):
            return 404, _error(404, "NOT_FOUND", f"{found['name']} not found.")
        if request.method == "DELETE":
            self._gone_us[found["id"]] = self._clock.now_us()
            return 200, b"{}"
        if request.method == "PATCH":
            return self._patch(kept, request)
        return 200, _encode(kept)

    def lives(self) -> list[dict[str, Any]]:
        """What a bill would say: name, model, tokens, and from when until when it was or will be kept, microseconds."""
        return [
            {
                "name": made["name"],
                "model": _id(made["model"]),
                "tokens": made["usageMetadata"]["totalTokenCount"],
                "from_us": us_from_datetime(made["createTime"]),
                "until_us": self._gone_us.get(_id(made["name"]), us_from_datetime(made["expireTime"])),
            }
            for made in self._made.values()
        ]

    def _has_ended(self, kept: dict[str, Any]) -> bool:
        return _id(kept["name"]) in self._gone_us or kept["expireTime"] <= self._now()

    def _patch(self, kept: dict[str, Any], request: Request) -> tuple[int, bytes]:
        """Only the end can be changed."""
        mask = parse_qs(request.query).get("updateMask", [""])[0]
        try:
            asked, now = msgspec.json.decode(request.body or b"{}", type=dict[str, Any]), self._now()
            until = _end(asked, now)
        except (msgspec.DecodeError, ValueError):
            return 400, _error(400, "INVALID_ARGUMENT", "Invalid value of ttl or expireTime.")
        others = [name for name in mask.split(",") if name and name not in MASKS]
        if others or until is None or until <= now:
            return 400, _error(400, "INVALID_ARGUMENT", "Only expiration can be updated, to a time in the future.")
        kept |= {"updateTime": now, "expireTime": until}
        return 200, _encode(kept)

    def _page(self, query: str) -> bytes:
        asked = parse_qs(query)
        size = min(int(asked.get("pageSize", ["100"])[0]), PAGE_MAX)
        start = int(asked.get("pageToken", ["0"])[0])
        kept = [one for one in self._made.values() if not self._has_ended(one)]
        more = {"nextPageToken": str(start + size)} if start + size < len(kept) else {}
        return _encode({"cachedContents": kept[start : start + size]} | more)

    def _now(self) -> datetime:
        return datetime_from_us(self._clock.now_us())


def _end(asked: dict[str, Any], now: datetime) -> datetime | None:
    """Raises ValueError."""
    if asked.get("ttl") is not None:
        return now + lifetime(asked["ttl"])
    expires = asked.get("expireTime", asked.get("expire_time"))
    return None if expires is None else _time(expires)


def _time(text: str) -> datetime:
    try:
        return msgspec.convert(text, datetime)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error


def _id(name: str) -> str:
    return name.rpartition("/")[2]


def _error(code: int, status: str, message: str) -> bytes:
    return _encode({"error": {"code": code, "message": message, "status": status}})
