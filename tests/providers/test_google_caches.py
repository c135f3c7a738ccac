"""Cached contents: paths, what is kept for how long, and what nobody says."""

import json
from datetime import datetime

import pytest

from bursar.domain.clock import us_from_datetime
from bursar.domain.usage import Usage
from bursar.providers.google_caches import CACHES, CHANGES
from bursar.providers.registry import dialect_for
from bursar.providers.values import Keeps, Kept

KEPT = {
    "name": "cachedContents/c1",
    "model": "models/gemini-2.5-flash",
    "createTime": "2026-11-26T10:00:00.123456789Z",
    "expireTime": "2026-11-26T11:30:00.123456789Z",
    "usageMetadata": {"totalTokenCount": 40_000},
}


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("POST", "/v1beta/cachedContents", "gemini-cache"),
        ("POST", "/gemini/v1beta/cachedContents?key=x", "gemini-cache"),
        ("PATCH", "/v1beta/cachedContents/c1?updateMask=ttl", "gemini-cache-change"),
        ("GET", "/v1beta/cachedContents", "gemini-cache-models"),
        ("GET", "/v1beta/cachedContents/c1", "gemini-cache-models"),
        ("DELETE", "/v1beta/cachedContents/c1", "gemini-cache-delete"),
        ("POST", "/v1/projects/p/locations/l/cachedContents", "vertex-cache"),
        ("DELETE", "/v1/projects/p/locations/l/cachedContents/7", "vertex-cache-delete"),
    ],
)
def test_each_path_has_its_dialect(method: str, path: str, name: str) -> None:
    found = dialect_for(method, path)
    assert found is not None
    assert found[0].name == name
    assert found[1] == path.removeprefix("/gemini")


@pytest.mark.parametrize(
    ("family", "changes", "usage"),
    [
        ("gemini", {}, Usage(cache_storage=60_000, kept_tokens=40_000, kept_us=5_400_000_000)),
        ("vertex", {}, Usage(40_000, cache_storage=60_000, kept_tokens=40_000, kept_us=5_400_000_000)),
        ("gemini", {"usageMetadata": None}, None),
        ("gemini", {"expireTime": None}, None),
        ("gemini", {"expireTime": "2026-11-26T09:00:00Z"}, None),
        ("gemini", {"usageMetadata": {"totalTokenCount": -1}}, None),
        ("gemini", {"usageMetadata": {"totalTokenCount": 10**12}, "expireTime": "9999-01-01T00:00:00Z"}, None),
    ],
)
def test_storage_is_counted_in_token_hours_or_not_known(family: str, changes: dict[str, object], usage: Usage) -> None:
    answer = CACHES[family].read_answer(json.dumps(KEPT | changes).encode(), 200)
    assert answer.usage == usage


def test_a_change_says_until_when_and_not_what_it_adds() -> None:
    answer = CHANGES["gemini"].read_answer(json.dumps(KEPT | {"updateTime": "2026-11-26T10:30:00Z"}).encode(), 200)
    assert (answer.usage, answer.model, answer.complete) == (None, "gemini-2.5-flash", True)
    assert answer.finish_reason == "until 2026-11-26T11:30:00Z"
    assert answer.kept == Kept(40_000, at("10:30:00"), at("11:30:00") + 123_457)
    unsaid = CHANGES["gemini"].read_answer(json.dumps(KEPT | {"usageMetadata": None}).encode(), 200)
    assert unsaid.kept is None


@pytest.mark.parametrize(
    ("body", "ttl_us", "until_us"),
    [
        ({"ttl": "60s"}, 60_000_000, None),
        ({"ttl": "0.0000001s"}, 1, None),
        ({"ttl": 60}, None, None),
        ({"ttl": "-5s"}, None, None),
        ({"expireTime": "2026-11-26T10:00:00Z"}, None, "10:00:00"),
        ({"expire_time": "2026-11-26T11:00:00+01:00"}, None, "10:00:00"),
        ({"expireTime": "tomorrow"}, None, None),
        ({}, None, None),
    ],
)
def test_a_request_says_how_long_it_wants_it_kept(body: dict[str, object], ttl_us: int, until_us: str | None) -> None:
    found = dialect_for("PATCH", "/v1beta/cachedContents/c1?updateMask=ttl")
    assert found is not None
    asked = found[0].read_request(json.dumps(body).encode())
    assert asked.model == "cached-contents"
    assert asked.keeps == Keeps(ttl_us, at(until_us) if until_us else None, "c1")
    assert CACHES["gemini"].read_request(json.dumps(body | {"model": "models/m"}).encode()).keeps == Keeps(
        ttl_us, at(until_us) if until_us else None
    )


def at(time: str) -> int:
    return us_from_datetime(datetime.fromisoformat(f"2026-11-26T{time}+00:00"))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1beta/cachedContents/c1", "cachedContents/c1"),
        ("/v1/projects/p/locations/l/cachedContents/7", "projects/p/locations/l/cachedContents/7"),
    ],
)
def test_a_deletion_costs_nothing_and_names_what_ended(path: str, name: str) -> None:
    found = dialect_for("DELETE", path)
    assert found is not None
    dialect, _ = found
    assert dialect.read_request(b"").model == "cached-contents"
    answer = dialect.read_answer(b"{}", 200)
    assert (answer.usage, answer.upstream_id, answer.complete, answer.kept) == (Usage(), name, True, Kept())
    refused = dialect.read_answer(b'{"error":{"code":404,"status":"NOT_FOUND"}}', 404)
    assert (refused.usage, refused.upstream_id, refused.error_code) == (None, "", "NOT_FOUND")
