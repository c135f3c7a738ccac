"""Reviews on the console: the list, one of them as page, twins, API and PDF; each line opens to what its number is."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import unescape

import pytest
from litestar.testing import TestClient
from sqlalchemy import delete

from bursar.console.context import ConsoleContext
from bursar.console.reviewing import kind_named, last_complete, review_told
from bursar.domain import display
from bursar.domain.clock import us_from_datetime
from bursar.domain.errors import BadRequest
from bursar.domain.findings import Finding
from bursar.domain.watching import Change, Clock, SeriesKey, Signal
from bursar.governance.schema import FINDINGS

WEEK, MONTH = "2026-W47", "2026-11"


def test_the_list_has_what_is_over_newest_first(client: TestClient):
    page = client.get("/reviews")
    assert page.status_code == 200
    assert "/reviews/2026-W47" in page.text
    assert '<a class="link" href="/reviews/2026-W48">this week</a>' in page.text
    rows = client.get("/api/reviews").json()
    assert [row["period"] for row in rows if row["kind"] == "weekly"][:2] == ["2026-W47", "2026-W46"]
    assert [row["period"] for row in rows if row["kind"] == "monthly"] == ["2026-10"], "September has no calls"
    assert client.get("/reviews.json").json() == rows
    assert len(list(csv.DictReader(io.StringIO(client.get("/reviews.csv").text)))) == len(rows)


def test_nothing_is_held_against_a_week_in_which_the_books_began(client: TestClient):
    began = client.app.state.context.explorer.first_call_at()
    after = (began + timedelta(days=7)).isocalendar()
    told = client.get(f"/reviews/{after.year}-W{after.week}.json").json()
    said = " ".join(one["text"] for section in told["sections"] for one in section["said"])
    assert "calls" in said
    assert " than in the week before" not in said + told["lead"]
    changed = next(section for section in told["sections"] if section["title"] == "What changed")
    assert changed["nothing"].startswith("The week before isn't whole in the books")


@pytest.mark.parametrize("name", [WEEK, MONTH])
def test_one_review_says_the_same_as_page_json_and_csv(client: TestClient, name: str):
    page = client.get(f"/reviews/{name}")
    told = client.get(f"/reviews/{name}.json").json()
    assert page.status_code == 200
    text = unescape(page.text)
    lines = [one for section in told["sections"] for one in section["said"]]
    assert len(lines) > 8
    for one in lines:
        assert one["text"] in text
    rows = list(csv.DictReader(io.StringIO(client.get(f"/reviews/{name}.csv").text)))
    assert [row["url"] for row in rows] == [one["url"] for one in lines]
    assert client.get(f"/api/reviews/{name}").json() == told


@pytest.mark.parametrize("name", [WEEK, MONTH])
def test_every_line_opens(client: TestClient, name: str):
    told = client.get(f"/api/reviews/{name}").json()
    for url in {one["url"] for section in told["sections"] for one in section["said"]}:
        assert client.get(url).status_code == 200, url


def test_a_month_says_how_the_running_one_will_end_as_the_forecast_does(client: TestClient):
    month = client.get("/api/forecast").json()["figures"][0]["amount"]
    told = client.get(f"/api/reviews/{MONTH}").json()
    lines = [one for section in told["sections"] for one in section["said"]]
    (ends,) = [one for one in lines if one["text"].startswith("The running month will end at")]
    assert (Decimal(ends["money"]), ends["url"]) == (Decimal(month["expected"]), "/forecast")
    assert "forecasts like it were" in ends["text"]


def test_the_sum_and_who_moved_are_what_explore_says(client: TestClient):
    told = client.get(f"/api/reviews/{WEEK}").json()
    spent = told["sections"][0]["said"][0]
    totals = client.get(f"/api/costs?period={WEEK}").json()["totals"]
    assert Decimal(spent["money"]) == Decimal(totals["effective_cost"])
    moved = next(section for section in told["sections"] if section["title"] == "What changed")["said"][0]
    feature = moved["text"].split(" spent ")[0]
    weeks = [
        client.get(f"/api/costs?period={week}&filter=feature={feature}").json()["totals"]["effective_cost"]
        for week in (WEEK, "2026-W46")
    ]
    assert Decimal(moved["money"]) == Decimal(weeks[0]) - Decimal(weeks[1])


def test_names_of_clients_are_text(client: TestClient):
    text = client.get(f"/reviews/{MONTH}").text
    assert "<b>bold</b>" not in text


def test_the_pdf_is_one(client: TestClient):
    for path in (f"/reviews/{WEEK}/print.pdf", "/api/reviews/monthly/print.pdf"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
        assert answer.content.startswith(b"%PDF")


@pytest.mark.parametrize("name", ["2026", "weekly-ish", "2026-W99", "2026-13", "2026-10-01"])
def test_what_is_no_week_and_no_month_is_refused_in_words(client: TestClient, name: str):
    answer = client.get(f"/api/reviews/{name}")
    assert answer.status_code == 400
    assert "2026-" in answer.json()["detail"]


def test_one_that_runs_is_compared_with_as_many_days_and_one_to_come_is_refused(client: TestClient):
    told = client.get("/api/reviews/2026-W48").json()
    assert told["against"] == "the same days of the week before"
    as_many = client.get("/api/costs?period=2026-11-16T00:00Z..2026-11-16T12:15Z").json()["totals"]["effective_cost"]
    spent = next(one for one in told["sections"][0]["said"] if " the same days of the week before." in one["text"])
    shown = display.money(Decimal(as_many), "USD", "en_US")
    assert f" the {shown} in the same days of the week before." in spent["text"]
    assert spent["url"] == "/explore?period=2026-W48&compare=none", "the whole week before would be another figure"
    answer = client.get("/api/reviews/2027-W10")
    assert (answer.status_code, "hasn't begun yet" in answer.json()["detail"]) == (400, True)


def test_an_empty_ledger_has_nothing_to_report(empty_client: TestClient):
    assert empty_client.get("/reviews").status_code == 200
    told = empty_client.get("/api/reviews/weekly").json()
    assert told["lead"] == "Nothing to report: no call came."
    assert empty_client.get("/reviews/2026-W47").status_code == 200


@pytest.mark.parametrize(
    ("now", "week", "month"),
    [
        (datetime(2026, 11, 23, 0, 0, tzinfo=UTC), "2026-W47", "2026-10"),
        (datetime(2026, 11, 22, 23, 59, tzinfo=UTC), "2026-W46", "2026-10"),
        (datetime(2027, 1, 1, 12, tzinfo=UTC), "2026-W52", "2026-12"),
        (datetime(2027, 1, 4, 12, tzinfo=UTC), "2026-W53", "2026-12"),
    ],
)
def test_the_last_one_that_is_over(now: datetime, week: str, month: str):
    assert (last_complete("weekly", now, "UTC"), last_complete("monthly", now, "UTC")) == (week, month)


def test_a_name_says_its_kind():
    assert (kind_named("2026-W01"), kind_named("2026-10")) == ("weekly", "monthly")
    with pytest.raises(BadRequest, match="2026-W47"):
        kind_named("october")


def test_what_is_sent_has_an_address_under_each_line(context: ConsoleContext):
    told = review_told(context, WEEK)
    assert told.title.startswith("Weekly review, 16–22 Nov 2026: $")
    assert told.address == "/reviews/2026-W47"
    lines = re.findall(r"^  - ", told.text, flags=re.MULTILINE)
    assert len(lines) == len(re.findall(r"^    http://127\.0\.0\.1:\d+/", told.text, flags=re.MULTILINE)) > 5


def test_what_the_watch_found_in_the_week_is_told_with_its_excess(context: ConsoleContext, client: TestClient):
    book = context.anomalies().findings
    began_us = us_from_datetime(datetime(2026, 11, 18, 10, tzinfo=UTC))
    found = Finding(
        finding_id="an_review", series=SeriesKey("feature", "support-bot"), signals=(Signal.COST,), change=Change.SPIKE,
        clock=Clock.HOUR, began_us=began_us, seen_us=began_us, found_us=began_us, until_us=began_us + 3_600_000_000,
        surprise=9.0, ended_us=began_us + 3_600_000_000, expected_pico=10**12, actual_pico=31 * 10**12,
    )  # fmt: skip
    book.add(found)
    try:
        told = client.get(f"/api/reviews/{WEEK}").json()
        changed = next(section for section in told["sections"] if section["title"] == "What changed")
        line = changed["said"][0]
        assert Decimal(line["money"]) == 30
        assert "since 18 November: $30.00 more than expected, and over by now." in line["text"]
        assert line["url"] == "/anomalies/an_review"
        assert client.get(line["url"]).status_code == 200
        earlier = client.get("/api/reviews/2026-W46").json()
        assert "an_review" not in str(earlier)
    finally:
        with book._store.writing() as connection:
            connection.execute(delete(FINDINGS).where(FINDINGS.c.finding_id == "an_review"))
