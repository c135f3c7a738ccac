"""Limits and policies on the console: changed by this machine's pages and programs alone, tried against the past."""

import csv
import io
import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from litestar.testing import TestClient

from bursar.console.app import create_app
from bursar.console.context import ConsoleContext
from bursar.domain.snapshot import read_snapshot

JSON = {"content-type": "application/json"}
LAST_MONTH = "period=2026-11-01..2026-11-22"


@pytest.fixture
def desk(context: ConsoleContext) -> Iterator[TestClient]:
    """A client over a desk that is empty before and after."""
    with TestClient(create_app(context), base_url="http://127.0.0.1:8788") as client:
        yield client
        for kind, key in (("policies", "policy_id"), ("limits", "limit_id"), ("kills", "kill_id")):
            for one in client.get(f"/api/{kind}").json():
                assert client.delete(f"/api/{kind}/{one[key]}").status_code == 200


def make(client: TestClient, terms: dict[str, Any], *, name: str = "one", is_on: bool = False) -> dict[str, Any]:
    answer = client.post("/api/policies", json={"name": name, "terms": terms, "is_on": is_on})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_what_is_made_over_the_api_is_listed_audited_and_published(desk: TestClient, context: ConsoleContext):
    policy = make(desk, {"deny_models": ["gpt-4o"]}, is_on=True)
    limit = desk.post("/api/limits", json={"name": "slow", "terms": {"concurrent": 2, "each": "customer"}}).json()
    kill = desk.post("/api/kills", json={"match": {"agent": "crawler"}, "reason": "loops"}).json()
    assert [one["policy_id"] for one in desk.get("/api/policies").json()] == [policy["policy_id"]]
    rows = list(csv.DictReader(io.StringIO(desk.get("/api/limits?format=csv").text)))
    assert [row["limit_id"] for row in rows] == [limit["limit_id"]]
    published = read_snapshot(context.config.data_path / "snapshot.msgpack")
    assert [one.policy_id for one in published.policies] == [policy["policy_id"]]
    assert [one.terms.concurrent for one in published.limits] == [2]
    assert [(one.name, one.created_by) for one in published.kills] == [("agent=crawler", "console")]
    assert desk.post(f"/api/policies/{policy['policy_id']}/switch", json={"is_on": False}).json()["is_on"] is False
    assert desk.delete(f"/api/kills/{kill['kill_id']}").status_code == 200
    published = read_snapshot(context.config.data_path / "snapshot.msgpack")
    assert (published.policies, published.kills) == ([], [])


@pytest.mark.parametrize(
    ("path", "body", "field", "word"),
    [
        ("/api/policies", {"name": "x", "terms": {}}, "terms", "deny_models"),
        ("/api/policies", {"name": "", "terms": {"deny_models": ["x"]}}, "name", "printable"),
        ("/api/policies", {"name": "x", "terms": {"output_tokens_max": 0}}, "output_tokens_max", "from 1"),
        ("/api/policies", {"name": "x", "terms": {"deny_models": ["x"], "match": {"colour": "red"}}}, "match.colour",
         "tag:NAME"),
        ("/api/limits", {"name": "x", "terms": {"each": "customer"}}, "terms", "requests_per_minute"),
        ("/api/kills", {"match": {"agent": "x"}}, "reason", "say why"),
        ("/api/kills", {"match": {"credential": "nobody"}, "reason": "x"}, "match.credential", "keys list"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_field_and_what_can_be_written(desk: TestClient, path, body, field, word):
    answer = desk.post(path, json=body)
    assert answer.status_code in (400, 404)
    assert answer.json()["field"] == field
    assert word in answer.json()["detail"]


def test_a_body_of_another_shape_is_a_bad_request(desk: TestClient):
    answer = desk.post("/api/policies", json={"name": "x", "terms": {"deny_models": "gpt-4o"}})
    assert answer.status_code == 400
    assert answer.json()["code"] == "bad_request"
    assert desk.post("/api/limits", content=b"{", headers=JSON).status_code == 400
    assert desk.delete("/api/limits/nobody").json()["code"] == "unknown_control"


FOREIGN = [
    {"host": "evil.example"},
    {"origin": "http://evil.example"},
    {"origin": "null"},
    {"origin": "http://127.0.0.1:1"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"content-type": "text/plain"},
    {"content-type": "application/x-www-form-urlencoded"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_no_page_of_another_site_can_change_anything(desk: TestClient, headers: dict[str, str]):
    body = b'{"match":{},"reason":"evil"}'
    answer = desk.post("/api/kills", content=body, headers={**JSON, **headers})
    assert answer.status_code == 403, answer.text
    assert desk.get("/api/kills").json() == []


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_other_methods_change_nothing(desk: TestClient, method: str):
    assert desk.request(method, "/api/kills", json={}).status_code == 405


def test_our_own_origin_may_change(desk: TestClient):
    own = {**JSON, "origin": "http://127.0.0.1:8788", "sec-fetch-site": "same-origin"}
    answer = desk.post("/api/kills", content=b'{"match":{"agent":"x"},"reason":"mine"}', headers=own)
    assert answer.status_code == 201


def token(client: TestClient) -> str:
    client.post("/api/limits", json={"name": "any", "terms": {"concurrent": 2}})
    found = re.search(r'name="csrf" value="([\w-]+)"', client.get("/controls").text)
    assert found
    return found[1]


def test_a_form_stops_an_agent_and_says_first_what_that_refuses(desk: TestClient):
    csrf = token(desk)
    page = desk.get("/controls?stop=feature&value=support-bot&reason=loops+since+noon").text
    assert "Stop <bdi>feature=support-bot</bdi>?" in page
    assert re.search(r"[\d,]+ calls</a> with [\d,]+ key", page)
    form = {"csrf": csrf, "act": "kill", "dimension": "feature", "value": "support-bot", "reason": "loops since noon"}
    answer = desk.post("/controls/change", data=form, headers={"origin": "null"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/controls")
    (kill,) = desk.get("/api/kills").json()
    assert kill["terms"] == {"match": {"feature": "support-bot"}, "reason": "loops since noon"}
    page = desk.get("/controls").text
    assert "loops since noon" in page
    desk.post("/controls/change", data={"csrf": csrf, "act": "lift", "id": kill["kill_id"]})
    assert desk.get("/api/kills").json() == []


def test_a_kill_of_the_page_or_the_api_may_end_by_itself(desk: TestClient):
    csrf = token(desk)
    page = desk.get("/controls?stop=feature&value=bot&reason=loops&for=4h").text
    assert '<input type="hidden" name="for" value="4h">' in page
    form = {"csrf": csrf, "act": "kill", "dimension": "feature", "value": "bot", "reason": "loops", "for": "4h"}
    assert desk.post("/controls/change", data=form, follow_redirects=False).status_code == 303
    (kill,) = desk.get("/api/kills").json()
    ends = datetime.fromisoformat(kill["terms"]["until"])
    assert abs((ends - datetime.fromisoformat(kill["created_at"])).total_seconds() - 4 * 3600) < 1
    body = {"match": {"agent": "x"}, "reason": "y", "until": "2020-01-01T00:00:00Z"}
    assert desk.post("/api/kills", json=body).status_code == 400
    assert desk.post("/api/kills", json=body | {"until": "2099-01-01T00:00:00Z"}).status_code == 201


@pytest.mark.parametrize(
    ("form", "headers", "status"),
    [
        ({"csrf": ""}, {}, 403), ({"csrf": "wrong"}, {}, 403), ({}, {}, 403),
        ({}, {"sec-fetch-site": "cross-site"}, 403), ({}, {"origin": "http://evil.example"}, 403),
    ],
)  # fmt: skip
def test_a_form_without_the_pages_own_token_changes_nothing(desk: TestClient, form, headers, status):
    body = {"act": "kill", "dimension": "agent", "value": "x", "reason": "evil", **form}
    assert desk.post("/controls/change", data=body, headers=headers).status_code == status
    assert desk.get("/api/kills").json() == []


def test_a_form_that_asks_for_nothing_known_says_what_there_is(desk: TestClient):
    csrf = token(desk)
    assert desk.post("/controls/change", data={"csrf": csrf, "act": "dance"}).status_code == 400
    assert desk.post("/controls/change", data={"csrf": csrf, "act": "kill", "dimension": "moon"}).status_code == 400
    assert desk.get("/controls?stop=moon&value=x&reason=y").status_code == 400


def test_the_page_and_its_twins_tell_the_same(desk: TestClient):
    make(desk, {"deny_models": ["<b>gpt"], "match": {"customer": "<script>alert(1)</script>"}}, name="<i>angle</i>")
    page = desk.get("/controls").text
    assert "&lt;i&gt;angle&lt;/i&gt;" in page
    assert "<script>alert" not in page
    told = desk.get("/controls.json").json()
    assert [one["name"] for one in told["policies"]] == ["<i>angle</i>"]
    rows = list(csv.DictReader(io.StringIO(desk.get("/controls.csv").text)))
    assert [(row["kind"], row["is_on"]) for row in rows] == [("policy", "false")]


def cost_of(client: TestClient, *filters: str) -> tuple[int, Decimal]:
    """Calls and cost by another way: the explorer's own sums."""
    asked = "&".join(f"filter={one}" for one in filters)
    told = client.get(f"/api/costs?{LAST_MONTH}&by=feature&{asked}").json()["totals"]
    return told["calls"], Decimal(told["effective_cost"])


def test_a_denied_model_is_tried_against_the_past_and_equals_the_explorers_sums(desk: TestClient):
    make(desk, {"deny_models": ["gpt-4*"]})
    told = desk.get(f"/api/policies/one/try?{LAST_MONTH}").json()
    calls, cost = cost_of(desk, "model_asked^=gpt-4")
    assert calls > 0
    assert set(told["effects"]) == {"refused"}
    assert told["effects"]["refused"]["calls"] == calls
    assert Decimal(told["effects"]["refused"]["effective_cost"]) == cost
    rows = sum(
        Decimal(row["effective_cost"] or 0) for row in [*told["rows"], *([told["others"]] if told["others"] else [])]
    )
    assert rows == cost
    assert {row["rule"] for row in told["rows"]} == {"denied_model"}
    assert all(row["value"].startswith("gpt-4") for row in told["rows"])
    assert told["examined"]["calls"] > calls


def test_a_policy_is_tried_only_against_the_calls_that_it_matches(desk: TestClient):
    make(desk, {"deny_models": ["*"], "match": {"feature": "support-bot"}})
    told = desk.get(f"/api/policies/one/try?{LAST_MONTH}").json()
    calls, cost = cost_of(desk, "feature=support-bot")
    assert told["effects"]["refused"]["calls"] == told["examined"]["calls"] == calls
    assert Decimal(told["effects"]["refused"]["effective_cost"]) == cost


def test_a_limit_is_tried_against_the_past_and_tells_whose_calls_it_would_have_met(desk: TestClient):
    terms = {"each": "customer", "requests_per_minute": 1}
    assert desk.post("/api/limits", json={"name": "slow", "terms": terms}).status_code == 201
    told = desk.get(f"/api/limits/slow/try?{LAST_MONTH}").json()
    assert 0 < told["refused"] < told["calls"]
    assert sum(row["refused"] for row in told["rows"]) <= told["refused"]
    rows = list(csv.DictReader(io.StringIO(desk.get(f"/api/limits/slow/try?{LAST_MONTH}&format=csv").text)))
    assert [row["value"] for row in rows] == [row["value"] for row in told["rows"]]
    assert desk.get("/api/limits/nobody/try").json()["code"] == "unknown_control"
    desk.delete("/api/limits/slow")


def test_each_kind_of_rule_says_what_it_would_have_done(desk: TestClient):
    effects = {
        "forced": {"force_models": {"*": "gpt-4o-mini"}},
        "shortened": {"output_tokens_max": 50},
        "moved": {"service_tier": "flex"},
        "refused": {"require_tags": ["tag:nowhere"]},
        "warned": {"require_tags": ["tag:nowhere"], "on_missing": "warn"},
        "defaulted": {"require_tags": ["tag:nowhere"], "on_missing": "default", "tag_defaults": {"nowhere": "x"}},
    }
    for effect, terms in effects.items():
        make(desk, terms, name=effect)
        told = desk.get(f"/api/policies/{effect}/try?{LAST_MONTH}").json()
        assert set(told["effects"]) == {effect}, told["effects"]
        assert told["effects"][effect]["calls"] > 0
    assert (
        "the max_tokens that was asked for" in desk.get(f"/api/policies/shortened/try?{LAST_MONTH}").json()["notes"][0]
    )
    make(desk, {"service_tier": "standard"}, name="no priority")
    told = desk.get(f"/api/policies/no%20priority/try?{LAST_MONTH}").json()
    assert (told["effects"], "tier_asked" in told["notes"][0]) == ({}, True)
    make(desk, {"input_bytes_max": 10, "on_input_excess": "warn"}, name="long ones")
    assert set(desk.get(f"/api/policies/long%20ones/try?{LAST_MONTH}").json()["effects"]) == {"warned"}
    make(desk, {"input_bytes_max": 10**9}, name="nothing")
    assert desk.get(f"/api/policies/nothing/try?{LAST_MONTH}").json()["effects"] == {}
    page = desk.get(f"/controls?try={desk.get('/api/policies').json()[0]['policy_id']}&{LAST_MONTH}").text
    assert re.search(r"<h2>.* of [0-9 \u202f,]+ calls</h2>", page) or "It would have changed nothing" in page
    rows = list(csv.DictReader(io.StringIO(desk.get(f"/api/policies/forced/try?{LAST_MONTH}&format=csv").text)))
    assert rows[0]["effect"] == "forced"


def test_an_empty_desk_says_how_to_begin(empty_client: TestClient):
    page = empty_client.get("/controls").text
    assert "Nothing is stopped." in page
    assert "limits add each-customer" in page
    assert "policies add small-only" in page
