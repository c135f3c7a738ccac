"""The pages of anomalies: ranked by money, sums that hold, every figure opens, forms that act, nothing breaks out."""

import csv
import io
import re
from collections.abc import Iterator
from datetime import UTC
from decimal import Decimal
from html import unescape
from pathlib import Path

import msgspec
import pytest
from litestar.testing import TestClient
from tests.console.conftest import NOW
from tests.console.watched_made import ACME, SEARCH, WENT_WRONG, add_findings, watched_context, watched_ledger
from tests.governance.test_findings import finding
from tests.watch.conftest import BAD, UNTIL

from bursar.console.app import create_app
from bursar.console.context import ConsoleContext
from bursar.console.format import Format
from bursar.console.pages.anomaly_rows import apart, chance, seen_words
from bursar.controlfile.budgets import BudgetEntry, budget_from_entry
from bursar.domain.watching import Change, Clock, Detection, Label, SeriesKey, Signal
from bursar.governance.checks import read_terms
from bursar.ledger.store import Ledger
from bursar.prices.book import PriceBook

ONE = "/anomalies/an_000000000000"
BAD_NAME = 'x"><script>alert(1)</script>'


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    ledger = watched_ledger(tmp_path_factory.mktemp("watched"))
    yield ledger
    ledger.close()


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, ledger: Ledger, book: PriceBook) -> ConsoleContext:
    """With what went wrong, for tests that change nothing."""
    context = watched_context(tmp_path_factory.mktemp("found"), ledger, book)
    add_findings(context, WENT_WRONG)
    return context


@pytest.fixture(scope="module")
def reader(found: ConsoleContext) -> Iterator[TestClient]:
    with TestClient(create_app(found), base_url="http://127.0.0.1:8788") as client:
        yield client


@pytest.fixture
def context(tmp_path: Path, ledger: Ledger, book: PriceBook) -> ConsoleContext:
    return watched_context(tmp_path, ledger, book)


@pytest.fixture
def client(context: ConsoleContext) -> Iterator[TestClient]:
    with TestClient(create_app(context), base_url="http://127.0.0.1:8788") as client:
        yield client


def send(client: TestClient, context: ConsoleContext, **fields: str):
    form = {"csrf": context.csrf, "id": "an_000000000000"} | fields
    return client.post("/anomalies/change", data=form, follow_redirects=False)


def hrefs(html: str) -> list[str]:
    """Where the page's own part leads, each once."""
    own = html.partition("<main")[2]
    return list(dict.fromkeys(unescape(href) for href in re.findall(r'<a\b[^>]*?href="(/[^"#]*)', own)))


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_list_goes_by_money_and_its_twins_say_the_same(reader: TestClient):
    client = reader
    html = client.get("/anomalies").text
    assert html.count("<h1>") == 1
    places = [html.index(f'href="/anomalies/an_{number:012d}"') for number in range(3)]
    assert places == sorted(places)
    assert "2 go on, 1 is over" in html
    told = client.get("/anomalies.json").json()
    assert told["open_count"] == 2
    assert [one["id"][-1] for one in told["anomalies"]] == ["0", "1", "2"]
    assert Decimal(told["per_month"]) == sum(Decimal(one["per_month"]) for one in told["anomalies"])
    assert [one["id"] for one in rows(client.get("/anomalies.csv").text)] == [one["id"] for one in told["anomalies"]]
    for href in hrefs(html):
        assert client.get(href).status_code == 200, href


NARROWED = {
    "state=open": "01",
    "state=ended": "2",
    "dimension=customer": "1",
    "dimension=none": "2",
    "filter=feature%3Dsearch": "0",
    "filter=feature%21%3Dsearch": "12",
    "filter=customer~%3DACM": "1",
    "filter=customer%5E%3Dacm&state=ended": "",
    "period=2026-11-16": "2",
    "period=2026-11-17": "",
    "period=2026-10": "",
}


def test_it_is_narrowed_by_state_dimension_filter_and_period(reader: TestClient):
    for query, wanted in NARROWED.items():
        told = reader.get(f"/anomalies.json?{query}").json()
        assert "".join(one["id"][-1] for one in told["anomalies"]) == wanted, query
    assert "None of these" in reader.get("/anomalies?dimension=customer&state=ended").text


def test_an_unknown_state_is_said(client: TestClient):
    assert client.get("/anomalies.json?state=odd").json()["field"] == "state"


def test_with_nothing_found_it_says_what_is_watched_and_what_is_not_known_yet(
    context: ConsoleContext, client: TestClient, empty_client: TestClient
):
    html = client.get("/anomalies").text
    assert "Nothing is out of the ordinary" in html
    assert "Watched are all calls, and every feature, team" in html
    assert "begin on 28 Oct 2026" in html
    assert "from 25 Nov 2026 on, with four of them" in html
    assert "Nothing is labelled yet" in html
    assert "No calls yet" in empty_client.get("/anomalies").text
    context.config.watch.enabled = False
    assert "Nothing is watched" in client.get("/anomalies").text


def test_one_shows_its_course_its_cause_and_its_calls(found: ConsoleContext, reader: TestClient):
    client, kept = reader, found.anomalies().findings.one("0000")
    html = client.get(ONE).text
    told = client.get(f"{ONE}.json").json()
    one = told["anomaly"]
    assert sum(Decimal(part["amount"]) for part in one["parts"]) == Decimal(one["excess"]) > 0
    assert f'title="{one["excess"]} USD"' in html
    for movement in one["movements"]:
        if not movement["within"]:
            assert sum(Decimal(each["excess"]) for each in movement["values"]) == Decimal(one["excess"])
    inside = [step for step in told["course"] if step["is_inside"]]
    assert sum(Decimal(step["actual"]) for step in inside) == Decimal(one["actual"])
    assert f"/calls/{kept.evidence.first_bad}" in html
    assert 'class="shade own"' in html
    assert 'class="band"' in html
    table = rows(client.get(f"{ONE}.csv").text)
    factors = [Decimal(row["excess"]) for row in table if row["what"] == "factor"]
    assert sum(factors) == Decimal(table[0]["excess"]) == Decimal(one["excess"])
    for href in hrefs(html):
        assert client.get(href).status_code == 200, href
    assert client.get("/anomalies/zzz").status_code == 404


def test_a_bar_opens_the_calls_that_it_adds_up(reader: TestClient):
    client = reader
    html = client.get(ONE).text
    bars = [unescape(href) for href in re.findall(r'class="bucket[^"]*" href="([^"]*)"', html)]
    course = client.get(f"{ONE}.json").json()["course"]
    dearest = max(range(len(course)), key=lambda at: Decimal(course[at]["actual"]))
    calls = client.get(bars[dearest].replace("/calls", "/calls.json", 1)).json()["calls"]
    assert sum(Decimal(call["list_cost"]) for call in calls) == Decimal(course[dearest]["actual"]) > 0


def test_a_draft_is_kept_and_what_is_in_force_is_said(context: ConsoleContext, client: TestClient):
    add_findings(context, WENT_WRONG)
    html = client.get(ONE).text
    assert "force_models = { &#34;*&#34; = &#34;gpt-5-mini&#34; }" in html
    answer = send(client, context, act="draft", offer="cheaper")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{ONE}#actions")
    (policy,) = context.controls().policies.all()
    assert not policy.is_on
    html = client.get(ONE).text
    assert "draft is kept" in html
    assert "Keep as a draft: A cheaper route" not in html
    assert send(client, context, act="apply", offer="throttle").status_code == 303
    assert len(context.controls().limits.all()) == 1
    assert '<span class="badge good">in force</span>' in client.get(ONE).text
    assert send(client, context, act="apply", offer="throttle").status_code == 409
    assert send(client, context, act="pray").status_code == 400


def test_what_people_say_is_kept_with_a_note_and_can_be_taken_back(context: ConsoleContext, client: TestClient):
    add_findings(context, WENT_WRONG)
    note = f"a load  test {BAD_NAME}"
    answer = send(client, context, act="label", label="expected", note=note)
    assert answer.headers["location"] == f"{ONE}#label"
    kept = context.anomalies().findings.one("0000")
    assert (kept.label, kept.label_note) == (Label.EXPECTED, f"a load test {BAD_NAME}")
    html = client.get(ONE).text
    assert "<script>alert" not in html
    assert "its one labelled anomaly was right" in html
    assert "1 of them expected" in client.get("/anomalies").text
    assert send(client, context, act="label", label="none", note="never mind").status_code == 303
    kept = context.anomalies().findings.one("0000")
    assert (kept.label, kept.label_note) == (None, "")
    assert send(client, context, act="label", label="true", note="x" * 501).status_code == 400
    assert send(client, context, act="label", label="perhaps").status_code == 400
    assert send(client, context, csrf="", act="label", label="true").status_code == 403


def test_what_happened_is_told_by_a_form(context: ConsoleContext, client: TestClient):
    answer = send(client, context, act="mark", title="search 4.2", scope="feature = search")
    assert (answer.status_code, answer.headers["location"]) == (303, "/anomalies#markers")
    (told,) = client.get("/api/markers").json()
    assert told["scope"] == {"dimension": "feature", "value": "search"}
    assert (told["kind"], told["source"]) == ("deploy", "console")
    assert "search 4.2" in client.get("/anomalies").text
    for title, scope in (("", ""), ("x", "search"), ("x", "=search"), ("x", "feature=")):
        assert send(client, context, act="mark", title=title, scope=scope).status_code == 400


def test_names_that_try_to_break_out_of_a_page_do_not(context: ConsoleContext, client: TestClient):
    series = SeriesKey("feature", BAD_NAME)
    context.anomalies().markers.add(BAD_NAME, actor="ci", at_us=BAD, scope=SeriesKey("team", BAD_NAME))
    context.anomalies().findings.add(
        finding(7, series=series, nested=(series,), began_us=BAD, until_us=UNTIL, found_us=UNTIL)
    )
    for path in ("/anomalies", "/anomalies/0007", "/", "/explore"):
        html = client.get(path).text
        assert "<script>alert" not in html
        assert unescape(html).count(BAD_NAME), path


def test_what_has_no_cause_and_no_evidence_is_shown_all_the_same(context: ConsoleContext, client: TestClient):
    bare = finding(
        3, began_us=BAD, until_us=UNTIL, found_us=UNTIL, actual_pico=0, expected_pico=0, signals=(Signal.SILENCE,)
    )
    bare = msgspec.structs.replace(bare, cause=type(bare.cause)(), evidence=type(bare.evidence)(), detections=())
    context.anomalies().findings.add(bare)
    html = client.get("/anomalies/0003").text
    assert "there is nothing to take apart" in html
    assert "Nothing is known of its calls" in html
    assert client.get("/anomalies").status_code == 200


def test_charts_have_markers_and_none_without(context: ConsoleContext, client: TestClient):
    pages = ("/", "/explore?by=model", "/explore?show=rate", "/savings?by=feature")
    for path in pages:
        html = client.get(path).text
        assert 'class="mark' not in html, path
        assert "What happened" not in html, path
    markers = context.anomalies().markers
    markers.add("search 4.2", actor="ci", at_us=BAD, scope=SEARCH)
    for path in pages[:3]:
        html = client.get(path).text
        assert html.count('<g class="mark"') == 1, path
        assert "search 4.2</bdi></td>" in html, path
    assert 'class="mark' not in client.get("/explore?filter=feature%3Dsupport").text
    assert 'class="mark' in client.get("/explore?filter=customer%3Dacme").text


def test_a_budget_s_burn_down_has_them_too(context: ConsoleContext, client: TestClient):
    entry = {"limit": "5", "window": "month"}
    context.budget_store().create(budget_from_entry("all", read_terms(entry, BudgetEntry), "UTC"), actor="test")
    context.anomalies().markers.add("search 4.2", actor="ci", at_us=BAD - 5 * 10**9)
    html = client.get("/budgets/all").text
    assert "<title>search 4.2</title>" in html
    assert "What happened meanwhile" in html


def test_what_goes_on_waits_in_the_list_of_pages_and_on_overview(context: ConsoleContext, client: TestClient):
    assert 'title="0 anomalies go on"' not in client.get("/").text
    add_findings(context, WENT_WRONG)
    html = client.get("/").text
    assert 'title="2 anomalies go on"' in html
    assert "<b><bdi>feature search</bdi></b> costs" in html
    assert "dearer models, more calls; 1 more go on" in html
    context.anomalies().findings.label("0000", Label.EXPECTED, actor="ada")
    html = client.get("/").text
    assert 'title="1 anomalies go on"' in html
    assert "<b><bdi>customer acme</bdi></b> " in html
    assert ACME.value in html


def test_one_that_is_part_of_another_says_so(context: ConsoleContext, client: TestClient):
    book = context.anomalies().findings
    book.add(finding(1))
    book.add(finding(2, part_of=finding(1).finding_id, ended_us=UNTIL))
    assert client.get("/api/anomalies/0002").json()["part_of"] == finding(1).finding_id
    assert f"/anomalies/{finding(1).finding_id}" in client.get("/anomalies/0002").text


@pytest.mark.parametrize(
    ("signal", "clock", "value", "words"),
    [
        (Signal.COST, Clock.MINUTE, 4.752, "$4.75 a minute"),
        (Signal.COST, Clock.HOUR, 4.752, "$4.75 an hour"),
        (Signal.CALLS, Clock.MINUTE, 0.8212, "0.82 a minute"),
        (Signal.CALLS, Clock.DAY, 1234.5, "1,234 a day"),
        (Signal.OUTPUT_PER_CALL, Clock.DAY, 1204.2, "1,204 tokens"),
        (Signal.CACHE_HITS, Clock.MINUTE, 0.5, "50.0\u202f%"),
        (Signal.NEW_SPENDER, Clock.MINUTE, 0.0, "nothing"),
    ],
)
def test_what_was_seen_has_its_unit(reader: TestClient, signal: Signal, clock: Clock, value: float, words: str):
    one = Detection(SeriesKey(), signal, clock, Change.SPIKE, 0, 0, value, value, 5.0)
    assert seen_words(Format("en_US", "USD", UTC, NOW), one, value) == words


def test_a_deploy_in_the_minute_of_the_first_sign_is_not_after_it():
    f = Format("en_US", "USD", UTC, NOW)
    assert apart(f, BAD + 59_000_000, BAD, Clock.MINUTE) == "in the minute of its first sign"
    assert apart(f, BAD + 61_000_000, BAD, Clock.MINUTE) == "1 min after its first sign"
    assert apart(f, BAD - 1, BAD, Clock.MINUTE) == "1 min before its first sign"
    assert chance(f, 4.567) == "1 in 37,000"
    assert chance(f, 12.0) == "rarer than 1 in a billion"
