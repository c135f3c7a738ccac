"""Cache rules on the console: made and changed over the API and by the page's forms, listed, published."""

import csv
import io
from collections.abc import Iterator
from typing import Any

import pytest
from litestar.testing import TestClient

from bursar.console.context import ConsoleContext
from bursar.domain.snapshot import read_snapshot

JSON = {"content-type": "application/json"}
TERMS = {"match": {"feature": "support"}, "exact": {"ttl_s": 7200, "share": "team"}, "prompt": {}}


@pytest.fixture
def desk(client: TestClient, context: ConsoleContext) -> Iterator[TestClient]:
    """A client; what a test made is gone after it."""
    yield client
    for rule in context.controls().caches.all():
        context.controls().caches.remove(rule.rule_id, actor="test")


def make(client: TestClient, name: str = "support", terms: dict[str, Any] = TERMS, **more: Any) -> dict[str, Any]:
    answer = client.post("/api/caches", json={"name": name, "terms": terms, **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def published(context: ConsoleContext) -> list[str]:
    """Names of the rules that the workers read, as they are asked."""
    return [one.name for one in read_snapshot(context.config.data_path / "snapshot.msgpack").cache_rules]


def test_what_is_made_over_the_api_is_listed_and_published(desk: TestClient, context: ConsoleContext):
    made = make(desk)
    make(desk, "never", {"position": -1})
    make(desk, "off", {"position": 1}, is_on=False)
    assert made["terms"] == TERMS
    assert made["says"] == [
        "marks for the provider's cache, kept as long as its reuse pays",
        "the same request is answered again for 2 hours, within the team",
    ]
    assert (made["created_by"], made["stopped"], made["match"]) == ("console", "", "feature=support")
    assert [one["name"] for one in desk.get("/api/caches").json()] == ["never", "support", "off"]
    assert published(context) == ["never", "support"]
    rows = list(csv.DictReader(io.StringIO(desk.get("/api/caches?format=csv").text)))
    assert [(row["name"], row["is_on"]) for row in rows] == [("never", "true"), ("support", "true"), ("off", "false")]
    assert rows[1]["says"].count("; ") == 1
    assert rows[0]["terms"] == '{"position":-1}'


def test_a_rule_is_changed_in_its_place_switched_and_removed(desk: TestClient, context: ConsoleContext):
    made = make(desk)
    make(desk, "later", {"position": 1})
    changed = desk.put("/api/caches/support", json={"terms": {"semantic": {"similarity_min": 0.97}}}).json()
    assert changed["rule_id"] == made["rule_id"]
    assert changed["terms"] == {"semantic": {"similarity_min": 0.97}}
    assert published(context) == ["support", "later"]
    desk.put(f"/api/caches/{made['rule_id']}", json={"terms": TERMS, "is_on": False})
    assert published(context) == ["later"]
    assert desk.post("/api/caches/support/switch", json={"is_on": True}).json()["is_on"] is True
    assert published(context) == ["support", "later"]
    assert desk.delete("/api/caches/support").status_code == 200
    assert desk.delete("/api/caches/support").json()["code"] == "unknown_control"
    assert published(context) == ["later"]


def test_a_stopped_rule_says_why_until_it_is_resumed(desk: TestClient, context: ConsoleContext):
    make(desk)
    context.controls().caches.stop("support", "writes cost more than reads saved", actor="watch")
    assert desk.get("/api/caches").json()[0]["stopped"] == "writes cost more than reads saved"
    assert desk.post("/api/caches/support/resume", json={}).json()["stopped"] == ""
    assert desk.post("/api/caches/nobody/resume", json={}).status_code == 404


@pytest.mark.parametrize(
    ("body", "field", "word"),
    [
        ({"name": " "}, "name", "printable"),
        ({"terms": {"match": {"colour": "red"}}}, "match.colour", "tag:NAME"),
        ({"terms": {"match": {"credential": "nobody"}}}, "match.credential", "keys list"),
        ({"terms": {"exact": {"ttl_s": 0}}}, "exact.ttl_s", "1 to"),
        ({"terms": {"semantic": {"similarity_min": 2}}}, "semantic.similarity_min", "0.5 to 1"),
    ],
)
def test_a_mistake_is_told_with_its_field_and_nothing_is_made(desk: TestClient, body, field, word):
    answer = desk.post("/api/caches", json={"name": "x", "terms": TERMS} | body)
    assert answer.status_code in (400, 404)
    assert answer.json()["field"] == field
    assert word in answer.json()["detail"]
    assert desk.get("/api/caches").json() == []


def test_a_name_in_force_is_taken_and_an_unknown_field_is_refused(desk: TestClient):
    make(desk)
    answer = desk.post("/api/caches", json={"name": "support", "terms": {}})
    assert (answer.status_code, answer.json()["code"]) == (409, "name_taken")
    assert desk.put("/api/caches/support", json={"terms": {"exact": {"ttl": 5}}}).status_code == 400
    assert desk.put("/api/caches/nobody", json={"terms": TERMS}).json()["code"] == "unknown_control"
    assert desk.get("/api/caches").json()[0]["terms"] == TERMS


@pytest.mark.parametrize("headers", [{"origin": "http://evil.example"}, {"content-type": "text/plain"}], ids=str)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_no_page_of_another_site_can_change_anything(desk: TestClient, method: str, headers: dict[str, str]):
    make(desk)
    path = "/api/caches" if method == "POST" else "/api/caches/support"
    body = b'{"name":"evil","terms":{}}'
    assert desk.request(method, path, content=body, headers={**JSON, **headers}).status_code == 403
    assert [one["terms"] for one in desk.get("/api/caches").json()] == [TERMS]
