"""Maturity on the console: the page, its twins and the API say the same; every figure opens; nobody declares a step."""

import csv
import html
import io
import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest
from litestar.testing import TestClient
from structlog.testing import capture_logs

from bursar.console.context import ConsoleContext
from bursar.console.maturity import MaturityDesk, initiative_facts
from bursar.console.noting import Noting
from bursar.domain.clock import FixedClock
from bursar.domain.controls import PolicyTerms
from bursar.domain.initiatives import InitiativeTerms
from bursar.governance.maturity import MaturityBook
from bursar.maturity.evidence import DAY_US
from bursar.maturity.steps import CHECKS

WORD = {"check": "finance_joins", "who": "Ada, finance", "text": "minutes of 5 November"}


@pytest.fixture
def clean(client: TestClient, context: ConsoleContext) -> Iterator[TestClient]:
    """A client; what was said and made in a test is gone after it."""
    yield client
    book = context.maturity().book
    for one in book.evidence():
        if one.withdrawn_us is None:
            book.withdraw(one.number, actor="test")
    controls = context.controls()
    for policy in controls.policies.all():
        controls.policies.remove(policy.policy_id, actor="test")


def check_of(answer: dict[str, Any], check_id: str) -> dict[str, Any]:
    return next(dict(one) for one in answer["checks"] if one["id"] == check_id)


def csrf_of(text: str) -> dict[str, str]:
    return {"csrf": re.findall(r'name="csrf" value="([^"]+)"', text)[0]}


def test_the_page_its_twins_and_the_api_say_the_same(clean: TestClient):
    answer = clean.get("/api/maturity").json()
    assert clean.get("/maturity.json").json() == answer
    assert (answer["step"], answer["next"], len(answer["checks"])) == (1, 2, len(CHECKS))
    assert answer["missing"] == ["answers_limited", "spend_watched", "alerts_reach"]
    rows = list(csv.DictReader(io.StringIO(clean.get("/maturity.csv").text)))
    assert clean.get("/api/maturity?format=csv").text == clean.get("/maturity.csv").text
    assert [(row["id"], row["state"], row["value"]) for row in rows] == [
        (one["id"], one["state"], one["value"] or "") for one in answer["checks"]
    ]
    page = clean.get("/maturity").text
    for one in answer["checks"]:
        assert f'id="{one["id"]}"' in page
    for act in answer["acts"]:
        assert act["title"] in page
    assert "step 1 of 6, awareness" in page


def opened(client: TestClient, address: str) -> Decimal:
    """What the page of an address adds up to."""
    parts = urlsplit(address)
    answer = client.get(f"/explore.json?{parts.query}")
    assert answer.status_code == 200, answer.text
    return Decimal(answer.json()["totals"]["effective_cost"] or 0)


def test_every_amount_opens_to_charges_that_add_up_to_it(clean: TestClient, context: ConsoleContext):
    policies = context.controls().policies
    policies.create("one", PolicyTerms(match={"feature": "support-bot"}, output_tokens_max=99), is_on=True, actor="x")
    policies.create("two", PolicyTerms(match={"tag:plan": "pro"}, require_tags=("feature",)), is_on=True, actor="x")
    policies.create("three", PolicyTerms(match={"model": "gpt-4o"}, allow_models=("gpt*",)), is_on=True, actor="x")
    answer = clean.get("/api/maturity").json()
    monies = [one["money"] for one in (*answer["acts"], *answer["debts"])]
    found = [one for one in monies if one["amount"] not in (None, "0") and one["opens"] and not one["is_saving"]]
    assert len(found) >= 4
    for one in found:
        assert opened(clean, one["opens"]) == Decimal(one["amount"]), one
    told = [one for one in answer["checks"] if one["opens"].startswith("/explore") and "$" in one["said"]]
    assert {"answers_limited", "models_limited", "tags_required", "tag_feature", "tag_whom"} <= {
        one["id"] for one in told
    }
    for one in told:
        amount = Decimal(re.search(r"\$([\d,.]+)", one["said"])[1].replace(",", ""))  # type: ignore[index]  # it is in it
        assert round(opened(clean, one["opens"]), 2) == amount, one
    limited = Decimal(check_of(answer, "answers_limited")["value"])
    assert 0 < limited < 100


@pytest.mark.slow
def test_every_link_of_the_page_leads_somewhere(clean: TestClient):
    page = clean.get("/maturity").text
    found = {html.unescape(link) for link in re.findall(r'href="(/[^"]*)"', page[page.index("<main") :])}
    assert len(found) > 20
    assert [link for link in sorted(found) if clean.get(link).status_code != 200] == []


@pytest.mark.parametrize("check", [check.id for check in CHECKS if not check.is_by_person])
def test_nobody_declares_what_bursar_measures(clean: TestClient, check: str):
    before = check_of(clean.get("/api/maturity").json(), check)
    refused = clean.post("/api/maturity/evidence", json=WORD | {"check": check})
    assert (refused.status_code, refused.json()["code"], refused.json()["field"]) == (400, "bad_evidence", "check")
    assert check_of(clean.get("/api/maturity").json(), check)["state"] == before["state"]


def test_a_step_can_not_be_sent(clean: TestClient):
    assert clean.post("/api/maturity", json={"step": 6}).status_code == 405
    assert clean.put("/api/maturity", json={"step": 6}).status_code == 405
    assert clean.post("/api/maturity/evidence", json=WORD | {"step": 6}).status_code == 400
    assert clean.get("/api/maturity").json()["step"] == 1


def test_a_word_passes_its_check_until_it_is_withdrawn(clean: TestClient):
    given = clean.post("/api/maturity/evidence", json=WORD)
    assert given.status_code == 201
    answer = clean.get("/api/maturity").json()
    check = check_of(answer, "finance_joins")
    assert (check["state"], check["said"], check["by"]) == ("passed", "Ada, finance: minutes of 5 November", "person")
    assert (answer["evidence"][-1]["added_by"], answer["evidence"][-1]["holds"]) == ("console", True)
    number = given.json()["number"]
    gone = clean.post(f"/api/maturity/evidence/{number}/withdraw", json={})
    assert (gone.status_code, gone.json()["holds"]) == (200, False)
    assert check_of(clean.get("/api/maturity").json(), "finance_joins")["state"] == "unseen"
    for unknown in (number, 99, 2**70):
        answer = clean.post(f"/api/maturity/evidence/{unknown}/withdraw", json={})
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_evidence")


def test_the_form_takes_a_word_and_brings_a_mistake_back_to_its_field(clean: TestClient, context: ConsoleContext):
    typed = csrf_of(clean.get("/maturity").text) | WORD | {"act": "add"}
    wrong = clean.post("/maturity/change", data=typed | {"text": "yes"}, follow_redirects=False)
    assert wrong.status_code == 400
    assert 'id="e-text"' in wrong.text
    assert 'value="Ada, finance"' in wrong.text
    declared = clean.post("/maturity/change", data=typed | {"check": "priced"}, follow_redirects=False)
    assert (declared.status_code, "Bursar measures priced itself" in declared.text) == (400, True)
    hostile = typed | {"who": "<script>alert(1)</script>"}
    saved = clean.post("/maturity/change", data=hostile, follow_redirects=False)
    assert (saved.status_code, saved.headers["location"]) == (303, "/maturity#finance_joins")
    page = clean.get("/maturity").text
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page
    number = context.maturity().book.evidence()[-1].number
    withdraw = {"csrf": typed["csrf"], "act": "withdraw", "number": str(number)}
    assert clean.post("/maturity/change", data=withdraw | {"csrf": "other"}).status_code == 403
    assert clean.post("/maturity/change", data=withdraw | {"number": "x"}).status_code == 400
    assert clean.post("/maturity/change", data=withdraw, follow_redirects=False).status_code == 303
    assert "What holds no longer" in clean.get("/maturity").text


def test_a_review_is_recorded_when_it_was_held_by_the_api_and_by_the_form(clean: TestClient, context: ConsoleContext):
    held = clean.post("/api/maturity/reviews", json={"kind": "weekly", "by": "Ada"})
    assert (held.status_code, held.json()["kind"], held.json()["by"]) == (201, "weekly", "Ada")
    refused = clean.post("/api/maturity/reviews", json={"kind": "daily", "by": "Ada"})
    assert (refused.status_code, refused.json()["field"]) == (400, "kind")
    weekly = check_of(clean.get("/api/maturity").json(), "weekly_review")
    assert (weekly["state"], weekly["value_words"]) == ("passed", "0 days")
    typed = csrf_of(clean.get("/maturity").text) | {"act": "held", "kind": "monthly", "by": "<b>Eve</b>"}
    wrong = clean.post("/maturity/change", data=typed | {"by": " "}, follow_redirects=False)
    assert (wrong.status_code, 'id="e-by"' in wrong.text) == (400, True)
    done = clean.post("/maturity/change", data=typed, follow_redirects=False)
    assert (done.status_code, done.headers["location"]) == (303, "/maturity#held")
    assert "&lt;b&gt;Eve&lt;/b&gt;" in clean.get("/maturity").text
    last = context.maturity().reviews.last("monthly")
    assert last is not None
    assert last.by == "<b>Eve</b>"


def test_an_empty_installation_has_not_begun_and_knows_no_money(empty_client: TestClient):
    answer = empty_client.get("/api/maturity").json()
    assert (answer["step"], answer["name"], answer["next"]) == (0, "Not begun", 1)
    assert [act["id"] for act in answer["acts"]] == ["send_calls", "price_models", "report_usage"]
    assert answer["acts"][0]["money"]["amount"] is None
    assert check_of(answer, "tag_feature")["state"] == "unseen"
    page = empty_client.get("/maturity")
    assert page.status_code == 200
    assert "not on the first of six steps yet" in page.text


def test_a_console_without_a_control_store_says_so(context: ConsoleContext):
    bare = ConsoleContext(
        explorer=context.explorer, ledger=context.ledger, prices=context.prices, config=context.config,
        spool_dir=context.spool_dir,
    )  # fmt: skip
    with pytest.raises(Exception, match="without a control store"):
        bare.maturity()


def desk_at(context: ConsoleContext, at_us: int) -> MaturityDesk:
    """The same books and store, seen at another time."""
    store, secret = context.open_store()  # type: ignore[misc]  # the fixture gives one
    facts = initiative_facts(context.initiatives())
    return MaturityDesk(store, secret, FixedClock(at_us), context.ledger, context.config, lambda: facts, lambda: None)


def test_the_step_is_noted_once_a_day_and_when_it_is_another_one(clean: TestClient, context: ConsoleContext):
    now_us = context.clock.now_us()
    before = len(context.maturity().book.log())
    first = desk_at(context, now_us + DAY_US).look()
    assert desk_at(context, now_us + DAY_US + 5).look().log == first.log
    assert len(first.log) == before + 1
    week, hours = now_us + 7 * DAY_US, 2 * DAY_US // 24
    assert desk_at(context, week - hours).look().log[-1].step == 1
    noted = desk_at(context, week + hours).look().log  # on the same day: no call for seven
    assert ([one.step for one in noted[-2:]], len(noted)) == ([1, 0], before + 3)
    later = desk_at(context, now_us + 9 * DAY_US).look()
    assert (later.log[-1].step, later.log[-1].states["still_seen"]) == (0, "failed")
    answer = clean.get("/api/maturity").json()
    assert answer["turns"][0] | {"at": ""} == {"at": "", "before": 1, "after": 0, "because": ["Calls still come"]}
    assert "Lost awareness" in clean.get("/maturity").text


def test_the_thread_asks_advice_once_a_day_and_what_it_expects_stays_known(context: ConsoleContext):
    noting = Noting(context)
    noting.look()
    noted = context.maturity().book.log()
    assert noted[-1].advised
    noting.look()
    assert len(context.maturity().book.log()) == len(noted)
    context.reviews.clear()
    found = desk_at(context, context.clock.now_us() + 60_000_000).measured()
    assert found.facts.advised is not None
    assert found.facts.advised.spent > 0
    week = desk_at(context, context.clock.now_us() + 3 * DAY_US).measured()
    assert week.facts.advised is None  # too old to count on


def test_a_look_that_fails_is_logged_and_tried_again(context: ConsoleContext):
    class Broken:
        clock = context.clock

        def maturity(self) -> MaturityDesk:
            raise RuntimeError("no store")

    with capture_logs() as logs:
        Noting(Broken()).look()  # type: ignore[arg-type]  # as much of a context as it asks for
    assert logs[0]["event"] == "maturity_not_noted"


def test_what_somebody_changes_is_measured_at_once(clean: TestClient, context: ConsoleContext):
    assert check_of(clean.get("/api/maturity").json(), "answers_limited")["state"] == "failed"
    context.controls().policies.create("all", PolicyTerms(output_tokens_max=4096), is_on=True, actor="x")
    assert check_of(clean.get("/api/maturity").json(), "answers_limited")["state"] == "passed"


@pytest.mark.parametrize(
    "terms",
    [
        PolicyTerms(output_tokens_max=10**9, require_tags=("feature",), on_missing="warn", allow_models=("*",)),
        PolicyTerms(match={"feature": "nobody"}, output_tokens_max=9, require_tags=("feature",), deny_models=("x",)),
    ],
)
def test_a_rule_that_rules_nothing_counts_for_nothing(clean: TestClient, context: ConsoleContext, terms: PolicyTerms):
    context.controls().policies.create("loose", terms, is_on=True, actor="x")
    answer = clean.get("/api/maturity").json()
    for check in ("answers_limited", "tags_required", "models_limited"):
        assert check_of(answer, check)["value"] == "0", check


def test_initiatives_are_running_measured_and_their_closed_months_wait_to_be_booked(context: ConsoleContext):
    book = context.initiatives().book
    before = initiative_facts(context.initiatives())
    terms = InitiativeTerms(
        owner="ada", target=Decimal(40), baseline_from=date(2026, 10, 15), baseline_to=date(2026, 10, 24),
        start=date(2026, 10, 25),
    )  # fmt: skip
    one = book.create("maturity", terms, actor="test")
    try:
        assert initiative_facts(context.initiatives()) == before  # planned only
        book.start(one.initiative_id, actor="test")
        found = initiative_facts(context.initiatives())
        assert (found.running, found.measured, found.missing) == (before.running + 1, before.measured + 1, 1)
        (standing,) = [kept for kept in context.initiatives().standings() if kept.initiative.name == "maturity"]
        assert (found.unbooked, found.booked) == (standing.months[0].realised, before.booked)
    finally:
        book.remove(one.initiative_id, actor="test")


def test_the_book_of_the_store_is_the_one_the_desk_reads(context: ConsoleContext):
    store, secret = context.open_store()  # type: ignore[misc]  # the fixture gives one
    assert MaturityBook(store, secret, context.clock).log() == context.maturity().book.log()
