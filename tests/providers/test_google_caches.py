"""Cached contents: paths, what is kept for how long, and what nobody says."""

import json

import pytest

from bursar.domain.usage import Usage
from bursar.providers.google_caches import CACHES, CHANGES
from bursar.providers.registry import dialect_for

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
        ("gemini", {}, Usage(cache_storage=60_000)),
        ("vertex", {}, Usage(input=40_000, cache_storage=60_000)),
        ("gemini", {"usageMetadata": None}, None),
        ("gemini", {"expireTime": None}, None),
        ("gemini", {"expireTime": "2026-11-26T09:00:00Z"}, None),
        ("gemini", {"usageMetadata": {"totalTokenCount": -1}}, None),
    ],
)
def test_storage_is_counted_in_token_hours_or_not_known(family: str, changes: dict[str, object], usage: Usage) -> None:
    answer = CACHES[family].read_answer(json.dumps(KEPT | changes).encode(), 200)
    assert answer.usage == usage


def test_a_change_says_nothing_of_what_it_adds() -> None:
    answer = CHANGES["gemini"].read_answer(json.dumps(KEPT).encode(), 200)
    assert (answer.usage, answer.model, answer.complete) == (None, "gemini-2.5-flash", True)
    assert answer.finish_reason == "until 2026-11-26T11:30:00Z"
    assert CHANGES["gemini"].read_request(b'{"ttl":"60s"}').model == "cached-contents"


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
    assert (answer.usage, answer.upstream_id, answer.complete) == (Usage(), name, True)
    refused = dialect.read_answer(b'{"error":{"code":404,"status":"NOT_FOUND"}}', 404)
    assert (refused.usage, refused.upstream_id, refused.error_code) == (None, "", "NOT_FOUND")
