"""The pages: what cost the most in two clicks, every figure opens, every sum holds, nothing breaks out of its cell."""

import csv
import io
import re
from decimal import Decimal
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from litestar.testing import TestClient
from tests.console.records import NAMES

PAGES = (
    "/",
    "/explore",
    "/explore?by=team&and=model",
    "/explore?by=tag:plan&show=rate",
    "/calls",
    "/budgets",
    "/budgets/Support%20bot",
    "/budgets/Europe",
    "/budgets/fair%20use",
    "/forecast",
    "/allocation",
    "/statements?month=2026-11&among=team&of=support",
    "/close",
    "/contracts",
    "/contracts/negotiation?discount=20&shape=all",
    "/rates",
    "/alerts?show=all&rule=loops",
    "/prices",
    "/loops",
    "/advice",
    "/savings",
    "/savings?by=month&and=team&period=90d",
    "/whatif?model=openai/gpt-5-mini&batch=50",
    "/search?q=bot",
)


def links(html: str) -> list[str]:
    return [unescape(href) for href in re.findall(r'<a\b[^>]*?href="(/[^"]*)"', html)]


def link_named(html: str, name: str) -> str:
    """The address behind a link's words."""
    found = re.search(rf'<a [^>]*href="([^"]*)"[^>]*>{re.escape(name)}', html)
    assert found, name
    return unescape(found[1])


@pytest.mark.parametrize("path", PAGES)
def test_a_page_answers_with_a_title_and_one_main_heading(client: TestClient, path: str):
    html = client.get(path).text
    assert html.count("<h1>") == 1
    assert "· Bursar</title>" in html


@pytest.mark.parametrize("dimension", ["Customer", "Model", "Feature"])
def test_what_cost_the_most_last_month_is_two_clicks_away(client: TestClient, dimension: str):
    overview = client.get("/").text
    last_month = client.get(link_named(overview, "Last month")).text
    answer = client.get(link_named(last_month, dimension)).text
    assert "1–31 Oct 2026" in answer
    rows = client.get(f"/api/costs?period=last-month&by={dimension.lower()}&limit=1").json()["rows"]
    assert (rows[0]["keys"][0] or "(none)") in unescape(answer)


def test_every_link_of_every_page_leads_somewhere(client: TestClient):
    found = {link for path in PAGES for link in links(client.get(path).text)}
    sample = sorted(found)[:: max(1, len(found) // 96)]
    assert len(sample) >= 30
    assert [link for link in sample if client.get(link).status_code != 200] == []


def test_the_state_of_an_address_survives_every_click(client: TestClient):
    state = "period=2026-11&tz=Asia%2FKolkata&filter=team%3Dsupport"
    for path in ("/", "/explore", "/calls", "/prices"):
        nav = re.search(r'<nav class="nav".*?</nav>', client.get(f"{path}?{state}").text, re.DOTALL)
        assert nav
        for link in [link for link in links(nav[0]) if not link.startswith("/api")]:
            query = parse_qs(urlsplit(link).query)
            assert query["period"] == ["2026-11"]
            assert query["tz"] == ["Asia/Kolkata"]
            assert query["filter"] == ["team=support"]


@pytest.mark.parametrize(
    "query", ["by=feature", "by=customer&limit=3", "by=team&and=model&limit=4", "by=tag:plan", "by=quality"]
)
def test_rows_and_others_add_up_to_the_totals_in_page_json_and_csv(client: TestClient, query: str):
    told = client.get(f"/explore.json?{query}").json()
    parts = [*told["rows"], *([told["others"]] if told["others"] else [])]
    for name in ("effective_cost", "saved_cost"):
        assert sum(Decimal(part[name] or 0) for part in parts) == Decimal(told["totals"][name])
    assert sum(part["calls"] for part in parts) == told["totals"]["calls"]
    rows = list(csv.DictReader(io.StringIO(client.get(f"/explore.csv?{query}").text)))
    assert [row["effective_cost"] for row in rows] == [part["effective_cost"] or "" for part in parts]


def test_a_page_and_its_twins_tell_the_same_total(client: TestClient):
    html = client.get("/explore?period=last-month").text
    total = client.get("/explore.json?period=last-month").json()["totals"]["effective_cost"]
    assert f'title="{total} USD"' in html
    assert client.get("/overview.json?period=last-month").json()["totals"]["effective_cost"] == total


def test_a_figure_opens_down_to_the_calls_behind_it(client: TestClient):
    row = client.get("/api/costs?period=last-month&by=feature&limit=1").json()["rows"][0]
    page = client.get(f"/calls.json?period=last-month&filter=feature={row['keys'][0]}&limit=1000").json()
    assert page["next_cursor"] is None
    assert len(page["calls"]) == row["calls"]
    assert sum(Decimal(call["effective_cost"] or 0) for call in page["calls"]) == Decimal(row["effective_cost"])


def test_pages_of_calls_follow_each_other_without_gap_or_repeat(client: TestClient):
    seen, address = [], "/api/calls?period=7d&limit=40&order=dearest"
    while address:
        page = client.get(address).json()
        seen += [call["call_id"] for call in page["calls"]]
        address = page["next_cursor"] and f"/api/calls?period=7d&limit=40&order=dearest&cursor={page['next_cursor']}"
    assert len(seen) == len(set(seen)) == client.get("/api/costs?period=7d").json()["totals"]["calls"]


def test_a_receipt_lists_lines_that_add_up_to_its_total(client: TestClient):
    call_id = client.get("/api/calls?limit=1&order=dearest&filter=quality=reported").json()["calls"][0]["call_id"]
    detail = client.get(f"/calls/{call_id}.json").json()
    lines = list(csv.DictReader(io.StringIO(client.get(f"/calls/{call_id}.csv").text)))
    total = sum(Decimal(line["amount"]) for line in lines)
    assert abs(total - Decimal(detail["call"]["effective_cost"])) < Decimal("1e-12")
    html = client.get(f"/calls/{call_id}").text
    assert "What it cost" in html
    assert call_id in html


def test_a_call_in_flight_says_so(client: TestClient, running_call: str):
    assert client.get("/api/status").json()["in_flight"] == 1
    html = client.get(f"/calls/{running_call}").text
    assert "Still in flight" in html
    assert client.get(f"/api/calls/{running_call}").json()["call"] is None


@pytest.mark.parametrize("name", NAMES)
def test_what_a_client_wrote_stays_text(client: TestClient, name: str):
    found = client.get("/api/calls", params={"filter": f"feature={name}"}).json()["calls"]
    assert [call["feature"] for call in found] == [name]
    for path in ("/", "/explore", "/explore?by=customer", "/calls?filter=team=odd", f"/calls/{found[0]['call_id']}"):
        html = client.get(path).text
        assert "<script>alert" not in html
        assert "<img src=x" not in html
    assert re.search(r'<a class="chip', html) is None


def test_a_name_that_a_spreadsheet_would_run_is_quoted_in_csv(client: TestClient):
    text = client.get("/explore.csv?filter=team=odd&by=feature").text
    assert "\"'=HYPERLINK" in text


def test_unknown_is_never_zero(client: TestClient):
    told = client.get("/api/costs", params={"filter": f"feature={NAMES[1]}"}).json()
    assert told["rows"][0]["effective_cost"] is None
    assert told["rows"][0]["unpriced_count"] == 1
    html = client.get("/explore", params={"filter": f"feature={NAMES[1]}"}).text
    assert "unpriced" in html


def test_an_empty_installation_says_how_to_begin(empty_client: TestClient):
    html = empty_client.get("/").text
    assert "No calls yet" in html
    assert "ANTHROPIC_BASE_URL=http://127.0.0.1:8787" in html
    for path in (path for path in PAGES[1:] if not path.startswith(("/budgets/", "/statements"))):
        assert empty_client.get(path).status_code == 200


def test_a_plain_form_leads_to_the_one_spelling_of_its_state(client: TestClient):
    answer = client.get(
        "/explore?period=30d&by=model&add_field=tag&add_tag=plan&add_value=pro&add_op=is", follow_redirects=False
    )
    assert answer.status_code == 303
    assert answer.headers["location"] == "/explore?by=model&filter=tag:plan%3Dpro"
    answer = client.get("/calls?from=2026-11-01&to=2026-11-09", follow_redirects=False)
    assert answer.headers["location"] == "/calls?period=2026-11-01..2026-11-09"


def test_searching_a_call_id_opens_the_call(client: TestClient):
    call_id = client.get("/api/calls?limit=1").json()["calls"][0]["call_id"]
    assert client.get(f"/search?q={call_id}", follow_redirects=False).headers["location"] == f"/calls/{call_id}"
    assert "support-bot" in client.get("/search?q=SUPPORT").text


def test_a_page_is_not_kept_by_caches_but_its_style_sheet_is(client: TestClient):
    page = client.get("/")
    assert page.headers["cache-control"] == "no-store"
    sheet = re.search(r'href="(/static/[^"]*\.css)"', page.text)
    assert sheet
    assert "immutable" in client.get(sheet[1]).headers["cache-control"]


def test_prices_list_what_is_used_first_and_find_the_rest(client: TestClient):
    told = client.get("/prices.json?find=haiku").json()
    assert told["found_count"] >= 3
    assert all("haiku" in price["model"].lower() for price in told["found"])
    unpriced = [price["model"] for price in told["used"] if not price["priced"]]
    assert [price["model"] for price in told["used"]][: len(unpriced)] == unpriced


def test_nothing_is_compared_with_a_period_that_the_books_do_not_cover(client: TestClient):
    html = client.get("/?period=last-month").text
    assert "books begin 14 Oct" in html
    assert "▲" not in html
    assert "vs September" not in client.get("/explore?period=last-month").text
    assert "▲" in client.get("/?period=7d").text


def test_what_needs_you_names_the_feature_that_repeats_itself_and_opens_its_calls(client: TestClient):
    html = client.get("/").text
    assert re.search(r"billing-sync</bdi></b> repeated one request 400 times on 11 Nov: \$", html)
    link = next(link for link in links(html) if "fingerprint" in link)
    assert len(client.get(f"{link.replace('/calls?', '/calls.json?')}&limit=1000").json()["calls"]) == 400


def test_the_csv_of_a_page_has_every_group(client: TestClient):
    groups = client.get("/api/costs?by=customer&limit=10000").json()["rows"]
    assert len(groups) > 8
    for path in ("/overview.csv?by=customer", "/explore.csv?by=customer"):
        rows = list(csv.DictReader(io.StringIO(client.get(path).text)))
        assert len(rows) == len(groups)
        assert "(others)" not in [row["customer"] for row in rows]
    assert "limit" not in next(link for link in links(client.get("/explore?limit=5").text) if ".csv" in link)


@pytest.mark.parametrize("path", ["/explore", "/calls"])
def test_an_empty_page_says_how_to_make_a_call(empty_client: TestClient, path: str):
    assert "ANTHROPIC_BASE_URL=http://127.0.0.1:8787" in empty_client.get(path).text


def test_an_estimate_carries_its_sign_down_to_the_receipt(client: TestClient):
    (call, *_) = client.get("/api/calls?filter=quality=estimated").json()["calls"]
    total = re.search(r'<tr class="total">.*?</tr>', client.get(f"/calls/{call['call_id']}").text)
    assert total
    assert "≈" in total[0]
