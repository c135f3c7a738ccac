"""Cache rules on the console: made and changed over the API and by the page's forms, listed, published."""

import csv
import io
import re
from collections.abc import Iterator
from typing import Any

import pytest
from litestar.testing import TestClient

from bursar.console.context import ConsoleContext
from bursar.console.measuring import Measuring
from bursar.domain.caching import CacheTerms, ExactCaching, PromptCaching, SemanticCaching
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


def test_what_rules_kept_is_cleared_over_the_api_one_or_all(desk: TestClient, context: ConsoleContext):
    path = context.config.data_path / "snapshot.msgpack"
    one, two = make(desk)["rule_id"], make(desk, "answers", is_on=False)["rule_id"]
    assert desk.get("/api/caches").json()[0]["cleared_at"] is None
    told = desk.delete("/api/caches/support/answers", headers=JSON).json()
    assert (told["rule_id"], told["cleared_at"] is None) == (one, False)
    before = read_snapshot(path).kept_spaces
    assert before is not None
    assert (before[one] > 0, before[two]) == (True, 0)
    assert {rule["rule_id"] for rule in desk.delete("/api/kept-answers", headers=JSON).json()} == {one, two}
    after = read_snapshot(path).kept_spaces
    assert after is not None
    assert after[one] > before[one]
    assert after[two] > 0
    assert desk.delete("/api/caches/nobody/answers", headers=JSON).json()["code"] == "unknown_control"
    for path_ in ("/api/kept-answers", "/api/caches/support/answers"):
        assert desk.delete(path_, headers={**JSON, "origin": "http://evil.example"}).status_code == 403
    assert read_snapshot(path).kept_spaces == after


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


FORM = {"origin": "null"}  # what a browser says under `referrer-policy: no-referrer`


def csrf_of(page: str) -> str:
    found = re.search(r'name="csrf" value="([\w-]+)"', page)
    assert found
    return found[1]


def press(client: TestClient, act: str, rule_id: str) -> int:
    """A button of the page."""
    form = {"csrf": csrf_of(client.get("/edit/cache").text), "act": act, "id": rule_id}
    return client.post("/caches/change", data=form, headers=FORM, follow_redirects=False).status_code


def send(client: TestClient, typed: dict[str, str], **about: str) -> Any:
    """The long form, of a new rule or `of` another."""
    page = client.get("/edit/cache", params=about).text
    seen = re.search(r'name="seen" value="(\w+)"', page)
    form = {"csrf": csrf_of(page), "act": "save", **typed, **about} | ({"seen": seen[1]} if seen else {})
    return client.post("/edit/cache", data=form, headers=FORM, follow_redirects=False)


def test_the_page_says_in_words_what_each_rule_does_and_its_twins_tell_the_same(desk: TestClient):
    make(desk, "<i>angle</i>", {"match": {"customer": "<script>alert(1)</script>"}, "position": -1})
    make(desk, "off", {"position": 1}, is_on=False)
    make(desk)
    page = desk.get("/caches").text
    assert "2 of 3 rules on" in page
    assert "The same request is answered again for 2 hours, within the team" in page
    assert "No cache at all" in page
    assert "&lt;i&gt;angle&lt;/i&gt;" in page
    assert "<script>alert" not in page
    assert [one["name"] for one in desk.get("/caches.json").json()["rules"]] == ["<i>angle</i>", "support", "off"]
    rows = list(csv.DictReader(io.StringIO(desk.get("/caches.csv").text)))
    assert [row["name"] for row in rows] == ["<i>angle</i>", "support", "off"]


def test_the_buttons_switch_resume_and_remove(desk: TestClient, context: ConsoleContext):
    rule = make(desk)["rule_id"]
    assert press(desk, "off", rule) == 303
    assert published(context) == []
    assert press(desk, "on", rule) == 303
    context.controls().caches.stop(rule, "writes cost <more>", actor="watch")
    page = desk.get("/caches").text
    assert "1 of 1 rules on, 1 stopped" in page
    assert "Its marks are set no more: <bdi>writes cost &lt;more&gt;</bdi>" in page
    assert "They are set no more: writes cost &lt;more&gt;." in desk.get("/edit/cache", params={"of": "support"}).text
    assert press(desk, "resume", rule) == 303
    assert "stopped" not in desk.get("/caches").text
    assert press(desk, "dance", rule) == 400
    assert press(desk, "remove", rule) == 303
    assert press(desk, "remove", rule) == 404


def test_the_buttons_clear_what_one_rule_has_kept_or_all(desk: TestClient, context: ConsoleContext):
    rule = make(desk)["rule_id"]
    make(desk, "marks", {"prompt": {}})
    page = desk.get("/caches").text
    assert page.count('value="clear"') == 1  # marks for a provider's cache keep nothing here
    assert page.count('value="clear-all"') == 1
    assert "were cleared" not in page
    assert press(desk, "clear", rule) == 303
    assert desk.get("/caches").text.count("were cleared") == 1
    assert press(desk, "clear", "") == 404
    assert press(desk, "clear-all", "") == 303
    assert desk.get("/caches").text.count("were cleared") == 1
    assert all(one.cleared_us for one in context.controls().caches.all())


@pytest.mark.parametrize(
    ("form", "headers"),
    [({"csrf": ""}, FORM), ({"csrf": "wrong"}, FORM), ({}, {"origin": "http://evil.example"}),
     ({}, {"sec-fetch-site": "cross-site"})],
)  # fmt: skip
def test_a_button_without_the_pages_own_token_changes_nothing(desk: TestClient, form, headers):
    rule = make(desk)["rule_id"]
    data = {"act": "remove", "id": rule, "csrf": csrf_of(desk.get("/edit/cache").text)} | form
    assert desk.post("/caches/change", data=data, headers=headers).status_code == 403
    assert len(desk.get("/api/caches").json()) == 1


def test_a_rule_is_made_changed_and_removed_by_its_form(desk: TestClient, context: ConsoleContext):
    typed = {
        "name": "support", "where_0": "feature", "where_value_0": "support", "prompt": "auto", "exact": "kept",
        "exact_ttl": "30m", "exact_share": "team", "exact_tools": "yes", "semantic": "shadow", "similarity_min": "0.97",
    }  # fmt: skip
    answer = send(desk, typed)
    assert (answer.status_code, answer.headers["location"]) == (303, "/caches")
    (rule,) = context.controls().caches.all()
    assert rule.terms == CacheTerms(
        match={"feature": "support"},
        prompt=PromptCaching(),
        exact=ExactCaching(1800, "team", with_tools=True),
        semantic=SemanticCaching(similarity_min=0.97),
    )
    assert published(context) == ["support"]
    page = desk.get("/edit/cache", params={"of": "support"}).text
    assert 'value="30m"' in page
    assert "Change cache rule" in page
    assert "Try" not in page
    changed = typed | {"exact": "", "semantic": "", "state": "off"}
    assert send(desk, changed, of="support").status_code == 303
    (after,) = context.controls().caches.all()
    assert (after.rule_id, after.is_on) == (rule.rule_id, False)
    assert after.terms == CacheTerms(match={"feature": "support"}, prompt=PromptCaching())
    assert send(desk, {"act": "remove"}, of="support").status_code == 303
    assert context.controls().caches.all() == []


@pytest.mark.parametrize(
    ("typed", "field", "word"),
    [
        ({"name": ""}, "name", "A name, please"),
        ({"exact": "kept", "exact_ttl": "31d"}, "exact_ttl", "1 to 2592000 seconds"),
        ({"exact": "kept", "exact_share": "world"}, "exact_share", "Invalid enum value"),
        ({"semantic": "shadow", "embedder": "ada"}, "embedder", "UPSTREAM/MODEL"),
        ({"semantic": "on", "similarity_min": "0.1"}, "similarity_min", "0.5 to 1"),
        ({"where_0": "credential", "where_value_0": "nobody"}, "where_value_0", "no key is named"),
    ],
)
def test_a_mistake_comes_back_at_its_field(desk: TestClient, typed: dict[str, str], field: str, word: str):
    answer = send(desk, {"name": "x"} | typed)
    assert answer.status_code == 400
    assert re.search(rf'id="e-{field}">[^<]*{word}', answer.text, re.IGNORECASE), answer.text
    assert desk.get("/api/caches").json() == []


def test_an_empty_page_says_how_to_begin(empty_client: TestClient):
    assert "caches set support --match feature=support --exact-ttl 1h" in empty_client.get("/caches").text


def test_putting_a_rule_back_into_shadow_leaves_what_somebody_changed_meanwhile(
    desk: TestClient, context: ConsoleContext
):
    caches = context.controls().caches
    terms = CacheTerms(match={"feature": "help"}, semantic=SemanticCaching())
    seen = caches.create("help", terms, is_on=True, actor="ann")
    narrower = CacheTerms(match={"feature": "help", "team": "core"}, semantic=SemanticCaching())
    caches.change("help", narrower, actor="ann")
    measuring = Measuring(context.ledger, context.controls, context.clock)
    measuring._back_to_shadow(seen, SemanticCaching("on"), "its answers were wrong")
    assert caches.one("help").terms == narrower
