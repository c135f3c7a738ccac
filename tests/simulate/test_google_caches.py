"""The simulator's cached contents, by Google's reference: only their end can be changed, and they end by themselves."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from bursar.domain.clock import FixedClock, us_from_datetime
from bursar.simulate.http import Request
from bursar.simulate.wire_google_caches import Caches

T0 = us_from_datetime(datetime(2026, 10, 26, 3, 33, 20, tzinfo=UTC))
HOUR_US = 3_600_000_000
MADE = {
    "name": "projects/p/locations/l/cachedContents/7",
    "model": "models/gemini-2.5-flash",
    "createTime": "2026-10-26T03:33:20Z",
    "updateTime": "2026-10-26T03:33:20Z",
    "expireTime": "2026-10-26T04:33:20Z",
    "usageMetadata": {"totalTokenCount": 9},
}
PATH = "/v1/projects/p/locations/l/cachedContents/7"


class Kept:
    """One cached content, and what is asked about it."""

    def __init__(self) -> None:
        self.clock = FixedClock(T0)
        self.caches = Caches(self.clock)
        self.caches.keep(json.dumps(MADE).encode())

    def ask(self, method: str, body: object = None, path: str = PATH, query: str = "") -> tuple[int, dict[str, object]]:
        content = b"" if body is None else json.dumps(body).encode()
        found = self.caches.answer(Request(method, path, query, {}, content))
        assert found is not None
        return found[0], json.loads(found[1])


def expires(said: dict[str, object]) -> datetime:
    return datetime.fromisoformat(str(said["expireTime"]))


def test_a_lifetime_counts_from_its_change_and_an_end_is_taken_as_it_is() -> None:
    kept = Kept()
    kept.clock.at_us += HOUR_US // 2
    status, said = kept.ask("PATCH", {"ttl": "7200.5s"}, query="updateMask=ttl")
    now = datetime.fromisoformat(MADE["createTime"]) + timedelta(minutes=30)  # type: ignore[arg-type]  # text
    assert (status, expires(said)) == (200, now + timedelta(seconds=7200.5))
    status, said = kept.ask("PATCH", {"expireTime": "2026-10-26T04:10:00Z"})
    assert (status, said["expireTime"]) == (200, "2026-10-26T04:10:00Z")
    assert kept.ask("GET") == (200, said)
    assert kept.caches.lives() == [
        {"name": MADE["name"], "model": "gemini-2.5-flash", "tokens": 9, "from_us": T0, "until_us": T0 + 2_200_000_000}
    ]


@pytest.mark.parametrize(
    ("body", "query"),
    [
        ({"displayName": "x"}, "updateMask=displayName"),
        ({"ttl": "60s"}, "updateMask=ttl,model"),
        ({"expireTime": "2020-01-01T00:00:00Z"}, ""),
        ({"expireTime": "tomorrow"}, ""),
        ({"ttl": "soon"}, ""),
        ({}, ""),
        ([], ""),
    ],
)
def test_nothing_but_its_end_can_be_changed(body: object, query: str) -> None:
    kept = Kept()
    status, said = kept.ask("PATCH", body, query=query)
    assert (status, said["error"]["status"]) == (400, "INVALID_ARGUMENT")  # type: ignore[index]  # JSON
    assert kept.ask("GET")[1]["expireTime"] == MADE["expireTime"]


@pytest.mark.parametrize("ends", ["deleted", "by itself"])
def test_what_has_ended_is_not_found_and_listed_no_more(ends: str) -> None:
    kept = Kept()
    folder = PATH.rpartition("/")[0]
    assert len(kept.ask("GET", path=folder)[1]["cachedContents"]) == 1  # type: ignore[arg-type]  # JSON
    kept.clock.at_us += 10_000_000
    if ends == "deleted":
        assert kept.ask("DELETE") == (200, {})
    else:
        kept.clock.at_us = T0 + HOUR_US
    for method in ("GET", "PATCH", "DELETE"):
        assert kept.ask(method, {"ttl": "60s"})[0] == 404
    assert kept.ask("GET", path=folder)[1] == {"cachedContents": []}
    assert kept.caches.lives()[0]["until_us"] == T0 + (10_000_000 if ends == "deleted" else HOUR_US)


def test_a_list_comes_in_pages() -> None:
    kept = Kept()
    kept.caches.keep(json.dumps(MADE | {"name": "cachedContents/8"}).encode())
    first = kept.ask("GET", path="/v1beta/cachedContents", query="pageSize=1")[1]
    assert first["nextPageToken"] == "1"
    second = kept.ask("GET", path="/v1beta/cachedContents", query="pageSize=1&pageToken=1")[1]
    assert [one["name"] for one in second["cachedContents"]] == ["cachedContents/8"]  # type: ignore[attr-defined]  # JSON
