"""Advice on the console: ranked, opened, kept as a draft that is off; the API and the page say the same."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from html import unescape
from typing import Any

import msgspec
import pytest
from litestar.testing import TestClient
from tests.console.conftest import make_context

from bursar.bench.advice import FIRST_DAY, calls_of
from bursar.bench.advice_models import Classes
from bursar.bench.advice_outputs import HungUp, Runaway
from bursar.bench.advice_plants import SONNET, Nightly, Questions
from bursar.bench.advice_world import DAY_US, write_ledger
from bursar.console.app import create_app
from bursar.console.context import ConsoleContext
from bursar.domain.clock import FixedClock
from bursar.gateway.meter import Meter
from bursar.gateway.prompt_cache.breaks import Breaks, Place
from bursar.gateway.prompt_cache.news import SeriesBreaks, Told
from bursar.ledger.loader import Loader
from bursar.prices.book import PriceBook

DAYS = 8
PERIOD = "period=30d"


@dataclass
class Desk:
    """A console over eight days with five planted savings."""

    client: TestClient
    context: ConsoleContext


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, book: PriceBook) -> Iterator[Desk]:
    directory = tmp_path_factory.mktemp("advice")
    context = make_context(directory, book, history=False)
    plants = [Questions(0), Nightly(0), Runaway(0), Classes(0), HungUp(0)]
    made = sorted((one for part in calls_of(plants, 0, FIRST_DAY, DAYS) for one in part), key=lambda one: one.at_us)
    write_ledger(made, directory / "made", Meter(book))
    Loader(context.ledger, directory / "made").load_all()
    context.clock = FixedClock((FIRST_DAY + DAYS) * DAY_US)
    with TestClient(create_app(context), base_url="http://127.0.0.1:8788") as client:
        yield Desk(client, context)
    context.ledger.close()


def advice_of(desk: Desk, kind: str) -> dict[str, Any]:
    rows = desk.client.get(f"/api/advice?{PERIOD}").json()["advice"]
    return next(row for row in rows if row["kind"] == kind)


def test_the_api_ranks_by_money_and_its_total_is_what_each_adds(desk: Desk):
    told = desk.client.get(f"/api/advice?{PERIOD}").json()
    assert {row["kind"] for row in told["advice"]} >= {"exact_cache", "batch", "output_cap", "cheaper_model"}
    ready = [row for row in told["advice"] if row["net"] is not None]
    savings = [Decimal(row["saving"]["expected"]) for row in ready]
    assert savings == sorted(savings, reverse=True)
    assert Decimal(told["total"]) == sum(Decimal(row["net"]) for row in ready)
    assert not told["too_short"]
    assert told == desk.client.get(f"/advice.json?{PERIOD}").json()
    rows = list(csv.DictReader(io.StringIO(desk.client.get(f"/api/advice?{PERIOD}&format=csv").text)))
    assert [row["id"] for row in rows] == [row["id"] for row in told["advice"]]


def test_the_page_shows_each_with_its_calls(desk: Desk):
    html = desk.client.get(f"/advice?{PERIOD}").text
    told = desk.client.get(f"/api/advice?{PERIOD}").json()
    for row in told["advice"]:
        assert row["title"] in unescape(html)
        assert f'id="{row["id"]}"' in html
    calls = re.search(r'class="link small" href="(/calls[^"]*)"', html)
    assert calls
    assert "order=dearest" in unescape(calls[1])
    assert desk.client.get(unescape(calls[1])).status_code == 200


def test_filters_narrow_what_is_advised_on(desk: Desk):
    told = desk.client.get(f"/api/advice?{PERIOD}&filter=feature%3Dfaq").json()
    assert {row["kind"] for row in told["advice"]} == {"exact_cache"}


def test_a_button_keeps_the_draft_switched_off_and_never_changes_one_that_is_there(desk: Desk):
    one = advice_of(desk, "exact_cache")
    html = desk.client.get(f"/advice?{PERIOD}").text
    token = re.search(r'name="csrf" value="([^"]+)"', html)
    assert token
    seen = re.search(rf'value="{one["id"]}"><input type="hidden" name="seen" value="([^"]+)"', html)
    assert seen
    assert seen[1] == one["change"]["mark"]
    form = {"csrf": token[1], "id": str(one["id"]), "period": "30d", "tz": "UTC", "filters": "", "seen": seen[1]}
    assert desk.client.post("/advice/apply", data=form | {"csrf": "x"}).status_code == 403
    assert desk.client.post("/advice/apply", data=form | {"id": "ad_none"}).status_code == 404
    stale = desk.client.post("/advice/apply", data=form | {"seen": "of yesterday"})
    assert (stale.status_code, "another change by now" in stale.text) == (409, True)
    assert desk.context.controls().caches.all() == []
    kept = desk.client.post("/advice/apply", data=form, follow_redirects=False)
    assert (kept.status_code, kept.headers["location"]) == (303, "/caches#rules")
    [rule] = desk.context.controls().caches.all()
    assert not rule.is_on
    assert rule.terms.match == {"feature": "faq", "request_type": "answer", "model": "gpt-4.1"}
    assert rule.terms.exact is not None
    assert "Draft is kept, off" in desk.client.get(f"/advice?{PERIOD}").text
    before = desk.client.get(f"/api/advice?{PERIOD}").json()
    desk.context.controls().caches.switch(rule.rule_id, True, actor="test")
    after = desk.client.get(f"/api/advice?{PERIOD}").json()  # it isn't promised again
    [(was, now)] = [
        (old, new) for old, new in zip(before["advice"], after["advice"], strict=True) if old["id"] == one["id"]
    ]
    assert (now["net"], now["change"]["is_on"], was["change"]["is_on"]) == (None, True, False)
    assert Decimal(before["total"]) - Decimal(after["total"]) == Decimal(was["net"]) > 0
    assert "Switched on" in desk.client.get(f"/advice?{PERIOD}").text
    assert desk.client.post("/advice/apply", data=form).status_code == 409
    assert desk.context.controls().caches.all()[0].is_on


def test_the_api_keeps_policies_and_routes_and_says_what_only_the_caller_can_do(desk: Desk):
    for kind, all_of in (("output_cap", "policies"), ("cheaper_model", "routes")):
        one = advice_of(desk, kind)
        answer = desk.client.post(f"/api/advice/{one['id']}/apply", json={"period": "30d"})
        assert answer.status_code == 201, answer.text
        assert answer.json()["is_on"] is False
        [made] = getattr(desk.context.controls(), all_of).all()
        assert not made.is_on
    again = advice_of(desk, "retries")
    answer = desk.client.post(f"/api/advice/{again['id']}/apply", json={"period": "30d"})
    assert answer.status_code == 201, answer.text
    assert (answer.json()["kind"], answer.json()["is_on"]) == ("budget", False)
    [budget] = desk.context.budget_store().all()
    assert (budget.mode, budget.match["feature"]) == ("warn", "export")
    assert "Draft is kept, off" in desk.client.get(f"/advice?{PERIOD}").text
    assert desk.client.post(f"/api/advice/{again['id']}/apply", json={"period": "30d"}).status_code == 409
    batch = advice_of(desk, "batch")
    answer = desk.client.post(f"/api/advice/{batch['id']}/apply", json={})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_control")


def test_what_breaks_a_prompt_cache_is_told_where_the_view_is_about_now_and_whole_segments(desk: Desk):
    now_us = desk.context.clock.now_us()
    place = Place(part="system[0]", cause="time", calls=98, at_bytes=812, lost_tokens=200_000)
    day = Breaks(now_us - DAY_US, now_us, 100, 400_000, 98, 200_000, [place])
    seen = Told([SeriesBreaks("vk_nightly-report", SONNET, "nightly-report", "summary", day)])
    desk.context.run_dir.mkdir(exist_ok=True, parents=True)
    path = desk.context.run_dir / "prompt-cache-0.json"
    path.write_bytes(msgspec.json.encode(seen))
    try:
        desk.context.reviews.clear()
        repair = advice_of(desk, "cache_repair")
        assert len(repair["evidence"]) == 1
        assert re.match(
            r"system\[0\] changes at byte ~812 in 98 % of calls .*: \$[\d.]+ a month", repair["evidence"][0]
        )
        assert "byte ~812" in desk.client.get(f"/advice?{PERIOD}").text
        for less in (f"{PERIOD}&filter=team%3Dcore", "period=2026-10-26..2026-10-30"):
            kinds = {row["kind"] for row in desk.client.get(f"/api/advice?{less}").json()["advice"]}
            assert "batch" in kinds
            assert "cache_repair" not in kinds
    finally:
        path.unlink()
        desk.context.reviews.clear()


def test_an_empty_ledger_says_what_to_do(empty_client: TestClient):
    assert "No calls yet" in empty_client.get("/advice").text
    assert empty_client.get("/api/advice").json()["too_short"] is True


def test_the_reviews_that_are_remembered_have_a_bound(desk: Desk):
    for number in range(20):
        desk.client.get(f"/api/advice?period=30d&filter=feature%3Dnone{number}")
    assert len(desk.context.reviews) <= 16
