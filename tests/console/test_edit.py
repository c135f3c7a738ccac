"""The forms of budgets, policies and limits on the console: made, changed, tried, refused with a word at the field."""

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
from litestar.testing import TestClient

from bursar.console.context import ConsoleContext
from bursar.console.forms.names import NAMES
from bursar.domain.snapshot import read_snapshot

FORM = {"origin": "null"}  # what a browser says under `referrer-policy: no-referrer`


@pytest.fixture
def desk(client: TestClient, context: ConsoleContext) -> Iterator[TestClient]:
    """A client; what a test made is gone after it."""
    before = {one.name for one in context.budget_store().all()}
    yield client
    for policy in context.controls().policies.all():
        context.controls().policies.remove(policy.policy_id, actor="test")
    for limit in context.controls().limits.all():
        context.controls().limits.remove(limit.limit_id, actor="test")
    for budget in context.budget_store().all():
        if budget.name not in before:
            context.budget_store().remove(budget.budget_id, actor="test")


def fields(html: str) -> dict[str, str]:
    """What a browser would send of the page's long form: inputs, ticked boxes, chosen options, texts."""
    form = re.search(r'<form class="edit" method="post" action="/edit/\w+">(.*?)</form>', html, re.DOTALL)
    assert form
    found: dict[str, str] = {}
    for tag in re.findall(r"<input\b[^>]*>", form[1]):
        name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
        if name and ('type="checkbox"' not in tag or " checked" in tag):
            found[name[1]] = unescape(value[1]) if value else ""
    for name, inside in re.findall(r'<select class="field" name="([^"]*)"[^>]*>(.*?)</select>', form[1], re.DOTALL):
        options = re.findall(r'<option value="([^"]*)"( selected)?', inside)
        found[name] = unescape(next((value for value, chosen in options if chosen), options[0][0]))
    for name, inside in re.findall(r'<textarea[^>]*name="([^"]*)"[^>]*>(.*?)</textarea>', form[1], re.DOTALL):
        found[name] = unescape(inside.removeprefix("\n"))
    return found


def send(client: TestClient, noun: str, typed: dict[str, str], of: str = "", act: str = "save") -> Any:
    page = client.get(f"/edit/{noun}", params={"of": of} if of else {})
    assert page.status_code == 200, page.text
    data = {**fields(page.text), **typed, "act": act}
    return client.post(f"/edit/{noun}", data=data, headers=FORM, follow_redirects=False)


def wrong(html: str) -> dict[str, str]:
    """What is wrong, by field."""
    return {name: unescape(text) for name, text in re.findall(r'class="wrong" id="e-([^"]*)">([^<]*)<', html)}


def test_a_budget_is_made_begins_with_what_was_spent_and_is_changed(desk: TestClient, context: ConsoleContext):
    made = send(desk, "budget", {"name": "bot", "limit": "40", "where_0": "feature", "where_value_0": "support-bot"})
    assert made.status_code == 303, wrong(made.text)
    told = desk.get("/api/budgets/bot").json()
    assert made.headers["location"] == f"/budgets/{told['budget']['id']}"
    books = told["books_usd"]
    assert told["budget"]["spent_usd"] == books != "0"
    page = desk.get("/budgets/bot").text
    assert "/edit/budget?of=bot" in page
    changed = send(desk, "budget", {"limit": "60", "why": "launch", "at_3": "90", "do_3": "block"}, of="bot")
    assert changed.headers["location"] == made.headers["location"], "it is the same one, and goes on counting"
    after = desk.get("/api/budgets/bot").json()
    assert (after["budget"]["limit"], after["budget"]["spent_usd"]) == ("60", books)
    assert [(one["reason"], one["by"]) for one in after["changes"]] == [("launch", "console")]
    assert [(one["percent"], one["action"]) for one in after["thresholds"]][-1] == (90, "block")
    assert send(desk, "budget", {"where_0": "", "where_value_0": ""}, of="bot").status_code == 303
    everything = desk.get("/api/budgets/bot").json()["budget"]
    assert everything["where"] == []
    assert float(everything["spent_usd"]) > float(books), "other calls, so it begins with theirs"


def test_a_threshold_that_can_never_act_is_refused_at_its_row(desk: TestClient):
    typed = {"name": "bot", "limit": "40", "at_3": "90", "do_3": "route", "models_3": "gpt-4o-mini, nosuch"}
    assert "no upstream serves 'nosuch'" in wrong(send(desk, "budget", typed).text)["models_3"]
    over = {"name": "bot", "limit": "40", "at_1": "120", "do_1": "block"}
    assert "never reached" in wrong(send(desk, "budget", over).text)["at_1"]
    wanted = {"name": "bot", "limit": "40", "thresholds": ["50", "80:route=nosuch"]}
    refused = desk.post("/api/budgets", json=wanted).json()
    assert (refused["code"], refused["field"]) == ("bad_budget", "thresholds.1")
    assert desk.get("/api/budgets/bot").status_code == 404


@pytest.mark.parametrize(
    ("noun", "name"),
    [("policy", "match"), ("policy", "match.team"), ("budget", "thresholds"), ("budget", "where_99"), ("limit", "rpm")],
)
def test_a_field_that_a_form_does_not_have_is_refused_by_its_name(
    desk: TestClient, context: ConsoleContext, noun: str, name: str
):
    typed = {"name": "odd", "limit": "4"} if noun == "budget" else {"name": "odd"}
    typed |= {"deny_models": "*"} if noun == "policy" else {}
    typed |= {"concurrent": "3"} if noun == "limit" else {}
    for act in ("save", "try"):
        refused = send(desk, noun, {**typed, name: "team=core"}, act=act)
        assert refused.status_code == 400
        assert f"This form has no field '{name}'" in unescape(refused.text)
    assert context.controls().policies.all() == []
    assert context.controls().limits.all() == []
    assert desk.get("/api/budgets/odd").status_code == 404


@pytest.mark.parametrize("noun", ["budget", "policy", "limit", "cache"])
def test_every_field_of_a_page_is_one_that_its_form_has(desk: TestClient, noun: str):
    page = desk.get(f"/edit/{noun}").text
    form = re.search(r'<form class="edit".*?</form>', page, re.DOTALL)
    assert form
    assert set(re.findall(r'<(?:input|select|textarea|button)\b[^>]* name="([^"]*)"', form[0])) <= NAMES[noun]


def test_saving_a_form_as_it_was_opened_changes_nothing(desk: TestClient, context: ConsoleContext):
    for name in ("Europe", "fair use", "next year", "Support bot"):
        before = context.budget_store().find(name)
        assert send(desk, "budget", {}, of=name).status_code == 303
        assert context.budget_store().find(name) == before


def test_before_a_budget_is_made_its_form_says_how_it_would_begin(desk: TestClient):
    typed = {"name": "bot", "limit": "0.01", "each": "customer", "window": "month"}
    page = send(desk, "budget", typed, act="try")
    assert page.status_code == 200
    text = re.sub(r"<[^>]+>", "", page.text)
    assert re.search(r"spent by \d+ values; the limit is \$\s*0\.01\d* each", text)
    assert "would be refused at once" in text
    assert fields(page.text)["limit"] == "0.01", "what was typed is kept"
    assert desk.get("/api/budgets/bot").status_code == 404
    rolling = {"name": "bot", "limit": "5", "window": "rolling", "rolling": "24", "unit": "h"}
    assert "in this window" in send(desk, "budget", rolling, act="try").text
    later = {"name": "bot", "limit": "5", "window": "custom", "first_day": "2027-01-01", "last_day": "2027-01-31"}
    assert "limit nothing today" in send(desk, "budget", later, act="try").text


def test_a_policy_is_tried_made_switched_on_and_changed(desk: TestClient, context: ConsoleContext):
    typed = {"name": "no dear ones", "deny_models": "gpt-4*, claude-opus-*", "period": "30d"}
    tried = send(desk, "policy", typed, act="try")
    assert tried.status_code == 200
    assert re.search(r"of [\d,]+ calls</h2>", tried.text)
    assert ">refused<" in tried.text
    assert desk.get("/api/policies").json() == []
    assert send(desk, "policy", typed).headers["location"] == "/controls#policies"
    (policy,) = desk.get("/api/policies").json()
    assert (policy["is_on"], policy["terms"]) == (False, {"deny_models": ["gpt-4*", "claude-opus-*"]})
    assert send(desk, "policy", {"state": "on", "force_models": "classify=gpt-4o-mini"}, of=policy["name"]).is_redirect
    published = read_snapshot(context.config.data_path / "snapshot.msgpack")
    assert [one.terms.force_models for one in published.policies] == [{"classify": "gpt-4o-mini"}]


def test_a_limit_is_tried_made_and_changed(desk: TestClient):
    typed = {"name": "fair", "each": "customer", "requests_per_minute": "1", "period": "30d"}
    tried = send(desk, "limit", typed, act="try")
    refused, calls = re.search(r"would have refused ([\d,]+) of ([\d,]+) calls", tried.text).groups()  # type: ignore[union-attr]
    assert 0 < int(refused.replace(",", "")) < int(calls.replace(",", ""))
    assert send(desk, "limit", typed).headers["location"] == "/controls#limits"
    assert send(desk, "limit", {"requests_per_minute": "", "concurrent": "9"}, of="fair").status_code == 303
    (limit,) = desk.get("/api/limits").json()
    assert limit["terms"] == {"each": "customer", "concurrent": 9}


def test_a_key_is_shown_by_its_name_and_kept_by_its_id(desk: TestClient, context: ConsoleContext):
    limit = desk.post(
        "/api/limits", json={"name": "one key", "terms": {"match": {"credential": "vk_x"}, "concurrent": 2}}
    )
    assert limit.status_code == 201
    assert send(desk, "limit", {"concurrent": "3"}, of="one key").status_code == 303
    assert desk.get("/api/limits").json()[0]["terms"]["match"] == {"credential": "vk_x"}


@pytest.mark.parametrize(
    ("noun", "typed", "field", "word"),
    [
        ("budget", {"name": "x", "limit": "5,000"}, "limit", "write 500"),
        ("budget", {"name": "x", "limit": "5", "where_0": "credential", "where_value_0": "nobody"}, "where_value_0",
         "keys list"),
        ("budget", {"name": "Europe", "limit": "5"}, "name", "Europe"),
        ("budget", {"name": "x", "limit": "5", "mode": "dance"}, "mode", "dance"),
        ("policy", {"name": "x", "deny_models": "y", "where_0": "tag", "where_tag_0": "ü" * 80, "where_value_0": "z"},
         "where_value_0", "tag"),
        ("policy", {"name": "", "deny_models": "y"}, "name", "a name"),
        ("limit", {"name": "x", "concurrent": "0"}, "concurrent", "whole number"),
        ("limit", {"name": "x", "concurrent": "2", "each": "team", "where_0": "team", "where_value_0": "a"}, "each",
         "one value"),
    ],
)  # fmt: skip
def test_a_mistake_comes_back_with_its_word_at_the_field_and_all_that_was_typed(desk, noun, typed, field, word):
    page = send(desk, noun, typed)
    assert page.status_code == 400
    assert word.lower() in wrong(page.text)[field].lower()
    assert f'href="#f-{next(iter(wrong(page.text)))}"' in page.text
    assert {name: value for name, value in fields(page.text).items() if name in typed} == typed


def test_a_policy_without_a_rule_is_told_as_such(desk: TestClient):
    page = send(desk, "policy", {"name": "x"})
    assert page.status_code == 400
    assert "The policy says nothing" in page.text


def test_a_form_over_what_somebody_changed_meanwhile_is_refused(desk: TestClient):
    send(desk, "limit", {"name": "fair", "concurrent": "2"})
    stale = fields(desk.get("/edit/limit?of=fair").text)
    send(desk, "limit", {"concurrent": "3"}, of="fair")
    page = desk.post("/edit/limit", data=stale | {"concurrent": "4", "act": "save"}, headers=FORM)
    assert page.status_code == 400
    assert "somebody changed" in wrong(page.text)["name"].lower()
    assert desk.get("/api/limits").json()[0]["terms"]["concurrent"] == 3


def test_what_a_form_cannot_say_is_not_saved_by_it(desk: TestClient):
    terms = {"require_tags": ["plan"], "tag_values": {"plan": ["free, or pro"]}}
    assert desk.post("/api/policies", json={"name": "odd", "terms": terms}).status_code == 201
    page = desk.get("/edit/policy?of=odd").text
    assert "can't say all that it does" in unescape(page)
    assert re.search(r'value="save" disabled', page)
    assert send(desk, "policy", {"require_tags": "plan, team"}, of="odd").status_code == 400
    assert desk.get("/api/policies").json()[0]["terms"] == terms


@pytest.mark.parametrize("noun", ["budget", "policy", "limit"])
def test_a_form_of_another_page_changes_nothing(desk: TestClient, noun: str):
    data = {"name": "evil", "limit": "5", "deny_models": "*", "concurrent": "1", "act": "save"}
    assert desk.post(f"/edit/{noun}", data=data, headers=FORM).status_code == 403
    assert desk.post(f"/edit/{noun}", data=data, headers={"origin": "http://evil.example"}).status_code == 403
    assert desk.get("/api/policies").json() == desk.get("/api/limits").json() == []


def test_the_forms_remove_what_they_are_about(desk: TestClient):
    send(desk, "budget", {"name": "gone", "limit": "5"})
    send(desk, "policy", {"name": "gone", "deny_models": "x"})
    for noun, back in (("budget", "/budgets"), ("policy", "/controls")):
        csrf = fields(desk.get(f"/edit/{noun}?of=gone").text)["csrf"]
        answer = desk.post(f"/edit/{noun}", data={"csrf": csrf, "of": "gone", "act": "remove"}, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, back)
        assert desk.get(f"/edit/{noun}?of=gone").status_code == 404
    assert desk.get("/edit/moon").status_code == 404


def test_another_limit_for_a_while_is_set_and_ended_on_the_budgets_page(desk: TestClient):
    send(desk, "budget", {"name": "launch", "limit": "50", "timezone": "Asia/Kolkata"})
    page = desk.get("/budgets/launch").text
    about = {name: re.search(rf'name="{name}" value="([^"]+)"', page)[1] for name in ("csrf", "id")}  # type: ignore[index]

    def post(**typed: str) -> Any:
        return desk.post("/budgets/raise", data=about | typed, headers=FORM, follow_redirects=False)

    assert post(limit="80", until="2026-12-01T00:00", reason="launch").status_code == 303
    told = desk.get("/api/budgets/launch").json()
    assert told["budget"]["limit"] == "80"
    assert told["changes"][0]["until"] == "2026-11-30T18:30:00Z", "midnight in the budget's zone"
    unexplained = post(limit="90", until="2026-12-02T00:00")
    assert unexplained.status_code == 400
    assert "reason" in wrong(unexplained.text)["reason"]
    assert 'value="90"' in unexplained.text
    assert "500" in wrong(post(limit="lots").text)["limit"]
    assert "over already" in wrong(post(limit="9", until="2026-01-01T00:00", reason="x").text)["until"]
    assert post(act="end").status_code == 303
    assert desk.get("/api/budgets/launch").json()["budget"]["limit"] == "50"


def test_the_page_approves_one_value_or_all(desk: TestClient, context: ConsoleContext):
    send(desk, "budget", {"name": "each", "limit": "0.01", "each": "customer", "at_1": "80", "do_1": "approve"})
    page = desk.get("/budgets/each").text
    about = {name: re.search(rf'name="{name}" value="([^"]+)"', page)[1] for name in ("csrf", "id")}  # type: ignore[index]
    first = unescape(re.search(r'<select class="field" name="value"><option value="([^"]*)"', page)[1])  # type: ignore[index]
    assert f"{first}, which waits" in unescape(page)

    def approve(**typed: str) -> int:
        return desk.post("/budgets/approve", data=about | typed, headers=FORM, follow_redirects=False).status_code

    assert approve() == 400, "all of them is a choice too"
    assert approve(value=first) == 303
    assert [one.value for one in context.budget_store().find("each").approvals] == [first]
    assert f"{first}, which waits" not in unescape(desk.get("/budgets/each").text)
    assert approve(value="") == 303
    assert [one.value for one in context.budget_store().find("each").approvals] == [first, ""]


def test_the_api_makes_changes_and_removes_a_budget_as_a_form_would(desk: TestClient):
    wanted = {"name": "api", "limit": "40", "where": {"feature": "support-bot"}, "thresholds": ["80:approve"]}
    made = desk.post("/api/budgets", json=wanted).json()
    assert (made["budget"]["limit"], made["budget"]["spent_usd"]) == ("40", made["books_usd"])
    assert desk.post("/api/budgets", json=wanted).json()["code"] == "name_taken"
    told = {field: value for field, value in wanted.items() if field != "name"} | {"limit": "60", "reason": "launch"}
    changed = desk.put("/api/budgets/api", json=told).json()
    assert (changed["budget"]["id"], changed["budget"]["limit"]) == (made["budget"]["id"], "60")
    assert [(one["reason"], one["by"]) for one in changed["changes"]] == [("launch", "console")]
    left = desk.delete(f"/api/budgets/{made['budget']['id']}").json()
    assert "api" not in [one["name"] for one in left["budgets"]]
    assert desk.put("/api/budgets/api", json=told).status_code == 404


@pytest.mark.parametrize(
    ("wrong_field", "value", "said"),
    [
        ("limit", "much", "limit"),
        ("limit", -1, "limit"),
        ("window", "moon", "window"),
        ("currency", "EUR", "rate"),
        ("mode", "lax", "mode"),
        ("where", {"colour": "red"}, "colour"),
        ("limits", "5", "limits"),
        ("thresholds", ["never"], "never"),
    ],
)
def test_a_mistake_in_a_budget_over_the_api_names_its_field_and_changes_nothing(
    desk: TestClient, wrong_field: str, value: Any, said: str
):
    before = desk.get("/api/budgets").json()
    answer = desk.post("/api/budgets", json={"name": "n", "limit": "5", wrong_field: value})
    assert answer.status_code == 400
    assert said in answer.text
    assert desk.get("/api/budgets").json() == before
