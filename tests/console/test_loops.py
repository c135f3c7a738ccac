"""Loops and waste: causes add up, each figure opens to its calls and equals them, a cut says how it is lifted."""

import csv
import io
import re
from collections.abc import Iterator
from decimal import Decimal
from html import unescape
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from litestar.testing import TestClient
from tests.console.conftest import NOW, make_context

from bursar.alerts.facts import ApprovalAsked
from bursar.budgets.authority import Authority
from bursar.budgets.budget import Budget
from bursar.budgets.lease import Account, Ask, BalanceKey, Report
from bursar.budgets.limits import LimitPlan
from bursar.budgets.retries import RETRIES_ID, retry_budget
from bursar.budgets.schedule import Schedule
from bursar.budgets.spec import parse_spec
from bursar.console.app import create_app
from bursar.console.refused import approvals_asked, retries_capped
from bursar.console.waste import CAUSES
from bursar.domain.clock import us_from_datetime
from bursar.gateway.hour_news import APPROVALS, RETRIES, HourNews, approval_key, news_path
from bursar.gateway.loop_cuts import Cut, lift_cut, write_cuts
from bursar.prices.book import PriceBook

NOW_US = us_from_datetime(NOW)
PERIOD = "period=2026-10-20..2026-11-23"


def make_cut(number: int, **more: object) -> Cut:
    known = {
        "cut_id": f"loop-{number:010x}", "sign": "repeat", "scope": "request", "key": number,
        "credential_id": "vk_demo_finance-eng", "session": "", "agent": "", "feature": "billing-sync",
        "model": "gpt-5.6-sol", "fingerprint": "ab" * 16, "error_code": "", "calls": 6, "unpriced": 0,
        "cost_pico": 300_960_000_000, "first_us": NOW_US - 540_000_000, "since_us": NOW_US - 300_000_000,
        "until_us": NOW_US + 6_900_000_000,
    }  # fmt: skip
    return Cut(**(known | more))  # type: ignore[arg-type]


@pytest.fixture
def cutting(tmp_path: Path, book: PriceBook) -> Iterator[tuple[TestClient, Path]]:
    """A console whose gateway has cut three loops: one in two workers, one that has ended, one without a price."""
    context = make_context(tmp_path, book, history=False)
    run = context.run_dir
    run.mkdir()
    write_cuts(run / "loops-0.json", [make_cut(1, refused=40), make_cut(2, until_us=NOW_US - 1_000_000)])
    unknown = make_cut(3, sign="growing", scope="conversation", feature="<b>x</b>", cost_pico=0, unpriced=6)
    write_cuts(run / "loops-1.json", [make_cut(1, refused=2), unknown])
    with TestClient(create_app(context), base_url="http://127.0.0.1:8788") as client:
        yield client, run
    context.ledger.close()


def amounts(parts: list[dict[str, object]], name: str = "effective_cost") -> Decimal:
    return sum((Decimal(str(part[name] or 0)) for part in parts), Decimal(0))


def test_causes_features_and_keys_add_up_to_the_total(client: TestClient):
    told = client.get(f"/api/waste?{PERIOD}").json()
    assert set(told["by_cause"]) == set(CAUSES)
    total = Decimal(told["total"]["effective_cost"])
    assert total > 20, "the planted loop is in it"
    assert amounts(list(told["by_cause"].values())) == total
    for groups in (told["by_feature"], told["by_key"]):
        assert amounts([group["total"] for group in groups]) == total
        assert sum(group["total"]["attempts"] for group in groups) == told["total"]["attempts"]
        assert all(
            amounts(list(group["by_cause"].values())) == Decimal(group["total"]["effective_cost"] or 0)
            for group in groups
        )


def test_each_figure_opens_to_its_calls_and_equals_them(client: TestClient):
    told = client.get(f"/api/waste?{PERIOD}").json()
    html = client.get(f"/loops?{PERIOD}").text
    hrefs = [unescape(href) for href in re.findall(r'<a href="(/calls[^"]*filter=[^"]*)" title="[a-z]', html)]
    assert len(hrefs) == len(CAUSES)
    opened = [sum_of_calls(client, href) for href in hrefs]
    assert sorted(opened) == sorted(Decimal(part["effective_cost"] or 0) for part in told["by_cause"].values())


def sum_of_calls(client: TestClient, href: str) -> Decimal:
    """What the calls behind an address cost, as far as its filters let their attempts through."""
    split = urlsplit(href)
    query, total, cursor = parse_qsl(split.query), Decimal(0), None
    while True:
        more = [("limit", "1000"), *([("cursor", cursor)] if cursor else [])]
        page = client.get(f"/calls.json?{urlencode([*query, *more])}").json()
        total += sum(Decimal(call["cost_here"] or 0) for call in page["calls"])
        cursor = page["next_cursor"]
        if not cursor:
            return total


def test_overview_says_the_same_sum_and_leads_to_the_page(client: TestClient):
    told = client.get(f"/api/waste?{PERIOD}").json()
    html = client.get(f"/?{PERIOD}").text
    found = re.search(
        r'href="(/loops[^"]*)"><div class="label">Wasted</div><div class="value"><span title="([^"]*)"', html
    )
    assert found
    assert found[2] == f"{told['total']['effective_cost']} USD"
    assert client.get(unescape(found[1])).status_code == 200


def test_the_data_twins_have_a_row_for_each_cause_and_value(client: TestClient):
    told = client.get(f"/loops.json?{PERIOD}").json()
    for by, groups in (("feature", "by_feature"), ("credential_id", "by_key")):
        rows = list(csv.DictReader(io.StringIO(client.get(f"/api/waste?{PERIOD}&by={by}&format=csv").text)))
        assert len(rows) == sum(len(group["by_cause"]) for group in told["waste"][groups])
        assert amounts(rows) == Decimal(told["waste"]["total"]["effective_cost"])  # type: ignore[arg-type]
    assert told["loops"]["cuts"] == []


@pytest.mark.parametrize("own", ["outcome=aborted", "attempt_number!=1", "client_retry!=0"])
def test_a_filter_on_what_tells_causes_apart_narrows_the_page(client: TestClient, own: str):
    narrow = client.get(f"/api/waste?{PERIOD}&{urlencode({'filter': own})}").json()
    whole = client.get(f"/api/waste?{PERIOD}").json()
    assert Decimal(narrow["total"]["effective_cost"] or 0) <= Decimal(whole["total"]["effective_cost"])
    assert client.get(f"/loops?{PERIOD}&{urlencode({'filter': own})}").status_code == 200


def test_a_cut_says_what_was_seen_and_how_it_is_lifted(cutting: tuple[TestClient, Path]):
    client, run = cutting
    html = client.get("/loops").text
    assert "loops lift loop-0000000001" in html
    assert "loops lift loop-0000000002" not in html
    assert "42 calls refused since" in html
    assert "<b>x</b>" not in html
    assert "what it has cost is not known" in html
    assert '<span class="count" title="2 loops are cut">2</span>' in html
    told = client.get("/api/loops").json()
    assert (told["in_force"], [cut["state"] for cut in told["cuts"]]) == (2, ["cut", "cut", "expired"])
    first = next(cut for cut in told["cuts"] if cut["id"] == "loop-0000000001")
    assert (first["refused"], first["cost"], first["calls"]) == (42, "0.30096", 6)
    rows = list(csv.DictReader(io.StringIO(client.get("/api/loops?format=csv").text)))
    assert [row["id"] for row in rows] == [cut["id"] for cut in told["cuts"]]

    csrf = client.app.state.context.csrf
    button = {"csrf": csrf, "id": "loop-0000000003"}
    assert client.post("/loops/lift", data=button | {"csrf": "x"}).status_code == 403
    assert client.post("/loops/lift", data=button | {"id": "loop-none"}).status_code == 404
    assert client.post("/loops/lift", data=button, follow_redirects=False).status_code == 303
    assert "by console" in client.get("/loops").text

    lift_cut(run, "loop-0000000001", actor="cli:ann", now_us=NOW_US)
    html = client.get("/loops").text
    assert "loops lift loop-0000000001" not in html
    assert "by cli:ann" in html


def test_without_calls_the_page_says_how_to_get_some(empty_client: TestClient):
    html = empty_client.get("/loops").text
    assert "No calls yet" in html


def test_retries_of_this_hour_stand_beside_their_cap_on_the_page_and_in_the_api(
    cutting: tuple[TestClient, Path], book: PriceBook
) -> None:
    client, run = cutting
    told = client.get("/api/loops").json()["retries"]
    assert (told["limit"], told["scope"], told["values"]) == ("50", "organization", [])
    assert "No retry has cost anything this hour" in client.get("/loops").text
    news = HourNews(news_path(run, RETRIES, 1))
    for _ in range(3):
        news.add("acme <b>", NOW_US)
    news.look()
    context = client.app.state.context
    cap = retry_budget(50 * 10**12, "organization")
    store = context.budgets().store
    authority = Authority(store.deciding, store.reading, [cap])
    key = BalanceKey(RETRIES_ID, "acme <b>", Account.LIKELY)
    authority.refill("w", [Ask(key, "l", "", 10**12, 10**12, 10**12)], NOW_US)
    authority.report([Report("l", 10**12 * 3 // 4, 10**12 // 4)])
    (one,) = client.get("/api/loops").json()["retries"]["values"]
    assert one == {"value": "acme <b>", "spent": "0.75", "held": "0.25", "refused": 3}
    html = client.get("/loops").text
    for words in ("Retries this hour", "acme &lt;b&gt;", "</span>0.75<", "</span>50"):
        assert words in html
    (fact,) = retries_capped(context)
    assert (fact.spent_pico, fact.refused, fact.scope) == (10**12 * 3 // 4, 3, "organization")


def test_calls_that_wait_for_an_approval_are_told_by_their_budget(cutting: tuple[TestClient, Path]) -> None:
    client, run = cutting
    context = client.app.state.context
    assert approvals_asked(context) == []
    window = Schedule(parse_spec("month"))
    made = context.budgets().create(
        Budget(budget_id="", name="team", limit=LimitPlan(10**12), window=window), actor="test", opening=[]
    )
    news = HourNews(news_path(run, APPROVALS, 0))
    for key in (approval_key(made.budget_id, 80, "acme corp"), approval_key("bg_gone", 80, ""), "(others)"):
        news.add(key, NOW_US)
    news.look()
    assert approvals_asked(context) == [ApprovalAsked(made.budget_id, "team", "acme corp", 80, 1)]
