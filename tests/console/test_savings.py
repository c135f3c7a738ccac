"""Savings: in each row cost and steps are the counterfactual, to the pico; each figure is the sum of what it opens."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from html import unescape
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from litestar.testing import TestClient
from tests.console.conftest import NOW, make_context
from tests.console.saved_calls import SPAN_US, Fact, saved_calls

from bursar.console.app import create_app
from bursar.console.context import ConsoleContext
from bursar.console.pages.savings import SavingsPage, savings_page
from bursar.console.savings import SORTS
from bursar.console.view import View
from bursar.domain.clock import FixedClock, datetime_from_us, us_from_datetime
from bursar.domain.periods import bucket_start, buckets
from bursar.domain.savings import COLUMNS, LEVERS
from bursar.explore.filters import Filter
from bursar.ledger.loader import Loader
from bursar.ledger.rollups import rebuild
from bursar.prices.book import PriceBook
from bursar.spool.journal import Journal

NOW_US = us_from_datetime(NOW)
AMOUNTS = ("counterfactual_cost", *COLUMNS.values(), "saved_cost", "list_cost", "discount_cost", "effective_cost")
DISCOUNT = Decimal("0.000000000007")  # USD per token in: what a contract took off, in the part that is rolled up
PERIOD = "2026-10-01..2026-11-23"
ZONES = ("UTC", "Asia/Kolkata", "America/New_York")
GROUPS = ("feature", "team", "customer", "model", "environment", "tag:plan", "traffic")
FILTERS = (
    "feature=support-bot", "feature!=", "team=core", "customer=customer-3", "tag:plan=pro", "saved=prompt_cache",
    "saved!=routing", "saved=", "saved!=", "traffic=live", "quality!=unpriced", "lever=batch",
)  # fmt: skip


class Books(NamedTuple):
    """A console, and what its books must say. Facts that are discounted are so in the books alone: `discounts`."""

    client: TestClient
    context: ConsoleContext
    facts: list[Fact]
    discounts: dict[int, Decimal]

    def __repr__(self) -> str:
        return f"Books of {len(self.facts)} attempts"


def keep_books(directory: Path, book: PriceBook, seed: int) -> Iterator[Books]:
    """Half of the calls added up in rollups, discounted; the other half as they came, in partial sums."""
    context = make_context(directory, book, history=False)
    made = list(saved_calls(seed, NOW_US - SPAN_US, 400))
    half = len(made) // 2
    journal = Journal(context.spool_dir, "w0", sync=False)
    loader = Loader(context.ledger, context.spool_dir, FixedClock(NOW_US))
    for part in (made[:half], made[half:]):
        for _, sent, end in part:
            journal.append(sent)
            journal.append(end)
        loader.load_all()
        if part[0] is made[0]:
            with context.ledger.writing() as session:
                session.run(f"UPDATE charges SET effective_cost = list_cost - input_tokens * {DISCOUNT}")
                rebuild(session)
    discounts = {at: DISCOUNT * made[at][2].usage.input for at in range(half) if made[at][0].cost is not None}
    with TestClient(create_app(context), base_url="http://127.0.0.1:8788") as client:
        yield Books(client, context, [fact for fact, _, _ in made], discounts)
    journal.close()
    context.ledger.close()


@pytest.fixture(scope="module", params=[3, 1009])
def books(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, book: PriceBook) -> Iterator[Books]:
    yield from keep_books(tmp_path_factory.mktemp("saved"), book, request.param)


@pytest.fixture(scope="module")
def one_book(tmp_path_factory: pytest.TempPathFactory, book: PriceBook) -> Iterator[Books]:
    yield from keep_books(tmp_path_factory.mktemp("saved"), book, 7)


class Sums:
    """Steps added up by hand."""

    def __init__(self) -> None:
        self.amounts = dict.fromkeys(AMOUNTS, Decimal(0))
        self.attempts = self.unpriced = 0

    def add(self, fact: Fact, discount: Decimal) -> None:
        self.attempts += 1
        if fact.cost is None:
            self.unpriced += 1
            return
        saved = sum(fact.saved, Decimal(0))
        parts = (fact.cost + saved, *fact.saved, saved, fact.cost, discount, fact.cost - discount)
        for name, amount in zip(AMOUNTS, parts, strict=True):
            self.amounts[name] += amount

    def told(self) -> dict[str, Decimal | None]:
        known = not self.attempts or self.unpriced < self.attempts
        return {name: amount if known else None for name, amount in self.amounts.items()}


def by_hand(books: Books, view: View, dimensions: Sequence[str]) -> dict[tuple[str, ...], Sums]:
    found: dict[tuple[str, ...], Sums] = {}
    for at, fact in enumerate(books.facts):
        moment = datetime_from_us(fact.received_us)
        if moment in view.period and all(lets_through(fact, one) for one in view.filters):
            keys = tuple(fact.keys[name] if name in fact.keys else label(view, moment, name) for name in dimensions)
            found.setdefault(keys, Sums()).add(fact, books.discounts.get(at, Decimal(0)))
    return found


def label(view: View, at: datetime, grain: Any) -> str:
    starts = {bucket.start: bucket.label for bucket in buckets(view.period, grain)}
    return starts[bucket_start(at, grain, view.timezone)]


def lets_through(fact: Fact, one: Filter) -> bool:
    (value,) = one.values
    amounts = dict(zip(LEVERS, fact.saved, strict=True))
    if one.field == "saved":
        holds = bool(amounts[value]) if value else not any(amounts.values())
    elif one.field == "lever":
        most = max(map(abs, fact.saved))
        holds = value == next((name for name, amount in amounts.items() if amount and abs(amount) == most), "")
    elif one.field == "quality":
        holds = fact.quality == value
    else:
        holds = fact.keys[one.field] == value
    return holds is (one.op == "is")


def numbers(told: dict[str, Any]) -> dict[str, Decimal | None]:
    return {name: None if told[name] is None else Decimal(told[name]) for name in AMOUNTS}


def adds_up(told: dict[str, Decimal | None]) -> bool:
    """Counterfactual less each lever is list cost; less the discount it is what it did cost."""
    if told["list_cost"] is None:
        return all(amount is None for amount in told.values())
    known = {name: amount or Decimal(0) for name, amount in told.items()}
    steps = sum((known[column] for column in COLUMNS.values()), Decimal(0))
    return (
        steps == known["saved_cost"]
        and known["list_cost"] + steps == known["counterfactual_cost"]
        and known["effective_cost"] + known["discount_cost"] + steps == known["counterfactual_cost"]
    )


def page_of(books: Books, view: View) -> SavingsPage:
    format_ = books.client.app.state.renderer.format(view)
    found = savings_page(books.context, view, format_)["data"]
    assert isinstance(found, SavingsPage)
    return found


def address(by: str, period: str, filters: Sequence[str], **more: str) -> str:
    return urlencode([("by", by), ("period", period), *(("filter", one) for one in filters), *more.items()])


def view_of(books: Books, query: str) -> View:
    lists: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        lists.setdefault(name, []).append(value)
    return books.context.view("/savings", lists)


@st.composite
def questions(draw: st.DrawFn) -> str:
    """An address: any grouping, one filter or two on different fields, any of the periods, zones, limits and orders."""
    by = draw(st.sampled_from((*GROUPS, "day", "week", "month", "lever")))
    second = draw(st.sampled_from(("", "", *GROUPS)))
    filters = {re.split("!?=", one)[0]: one for one in draw(st.lists(st.sampled_from(FILTERS), max_size=2))}
    period = draw(st.sampled_from((PERIOD, "2026-10", "2026-11", "2026-10-28..2026-11-02", "7d", "90d")))
    sort = draw(st.sampled_from(("", "-"))) + draw(st.sampled_from(tuple(SORTS)))
    more = {"limit": str(draw(st.integers(1, 30))), "tz": draw(st.sampled_from(ZONES)), "sort": sort}
    if second not in ("", by):
        more["and"] = second
    return address(by, period, list(filters.values()), **more)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(query=questions())
def test_for_any_question_page_api_and_charges_agree_and_every_row_adds_up(books: Books, query: str) -> None:
    view = view_of(books, query)
    told = books.client.get(f"/api/savings?{query}").json()

    expected = by_hand(books, view, told["by"])
    (whole,) = by_hand(books, view, ()).values() or [Sums()]
    assert numbers(told["totals"]) == whole.told()
    assert (told["totals"]["attempts"], told["totals"]["unpriced_count"]) == (whole.attempts, whole.unpriced)
    assert adds_up(numbers(told["totals"]))
    for row in told["rows"]:
        assert numbers(row) == expected[tuple(row["keys"])].told()
        assert adds_up(numbers(row))
    parts = [*told["rows"], *([told["others"]] if told["others"] else [])]
    if told["by"]:
        assert len(told["rows"]) + told["others_count"] == len(expected)
        for name in AMOUNTS:
            assert sum((numbers(part)[name] or Decimal(0) for part in parts), Decimal(0)) == whole.amounts[name]
    levers = sum((Decimal(one["saved_cost"] or 0) for one in told["levers"]), Decimal(0))
    assert levers == whole.amounts["saved_cost"]

    assert books.client.get(f"/savings.json?{query}").json() == told
    page = page_of(books, view)
    assert numbers({name: getattr(page.totals, name) for name in AMOUNTS}) == whole.told()
    groups = page.groups or []
    assert [numbers({name: getattr(one.steps, name) for name in AMOUNTS}) for one in groups] == [
        numbers(row) for row in told["rows"]
    ]


def test_the_bars_over_time_add_up_to_the_levers(books: Books) -> None:
    for grain in ("day", "week", "month"):
        page = page_of(books, view_of(books, f"period={PERIOD}&grain={grain}"))
        for lever, series in zip(page.levers, page.chart.series, strict=True):
            assert sum((value or Decimal(0) for value in series.values), Decimal(0)) == page.totals.by(lever.lever)


def test_losses_are_every_group_in_which_a_lever_cost_more_than_it_saved(books: Books) -> None:
    view = view_of(books, f"period={PERIOD}")
    told = books.client.get(f"/api/savings?period={PERIOD}").json()
    expected = {
        (lever, *keys): sums.amounts[COLUMNS[lever]]
        for keys, sums in by_hand(books, view, ("feature", "model")).items()
        for lever in LEVERS
        if sums.amounts[COLUMNS[lever]] < 0
    }
    losses = [(one["lever"], one["feature"], one["model"], Decimal(one["saved_cost"])) for one in told["losses"]]
    assert {loss[:3]: loss[3] for loss in losses} == expected
    assert [loss[3] for loss in losses] == sorted(loss[3] for loss in losses)
    assert ("prompt_cache", "doc-extract") in {loss[:2] for loss in losses}
    page = page_of(books, view)
    assert page.lost == sum(expected.values(), Decimal(0))
    rest = page.losses_rest[1] if page.losses_rest else Decimal(0)
    assert sum((one.saved_cost for one in page.losses), rest) == page.lost


def opened(client: TestClient, href: str) -> dict[str, Decimal]:
    """What the calls behind an address add up to, by each lever."""
    query, cursor = parse_qsl(urlsplit(href).query, keep_blank_values=True), None
    sums = dict.fromkeys(LEVERS, Decimal(0))
    while True:
        more = [("limit", "1000"), *([("cursor", cursor)] if cursor else [])]
        told = client.get(f"/calls.json?{urlencode([*query, *more])}").json()
        for call in told["calls"]:
            for lever in LEVERS:
                sums[lever] += Decimal(call["saved_here"][lever])
        cursor = told["next_cursor"]
        if not cursor:
            return sums


@pytest.mark.parametrize(
    "query",
    [
        f"period={PERIOD}&by=feature",
        f"period={PERIOD}&by=month&filter=team%3Dcore&tz=Asia%2FKolkata",
        "period=7d&by=tag:plan&and=model&filter=saved%3Dprompt_cache",
        "period=2026-11-03..2026-11-12&by=week&filter=saved%21%3D",
    ],
)
def test_each_figure_opens_to_its_calls_and_equals_them(one_book: Books, query: str) -> None:
    client, page = one_book.client, page_of(one_book, view_of(one_book, query))
    assert [one.lever for one in page.levers] == list(LEVERS)
    for lever, step in zip(page.levers, [one for one in page.steps if one.kind == "lever"], strict=True):
        assert opened(client, step.href)[lever.lever] == step.amount
    for row in [*(page.groups or []), page.all]:
        for lever, cell in zip(page.levers, row.cells, strict=True):
            if cell.amount:
                assert opened(client, cell.href)[lever.lever] == cell.amount
        sums = opened(client, row.saved.href)
        assert sum((sums[lever] for lever in LEVERS), Decimal(0)) == (row.saved.amount or 0)
    lever_of = {one.name: one.lever for one in page.levers}
    for loss in page.losses:
        assert opened(client, loss.href)[lever_of[loss.lever]] == loss.saved_cost


def test_a_bar_of_a_month_that_the_period_cuts_opens_what_it_shows(one_book: Books) -> None:
    page = page_of(one_book, view_of(one_book, "period=2026-10-20..2026-11-05&grain=month"))
    for at, bar in enumerate(page.chart.bars):
        shown = sum((one.values[at] or Decimal(0) for one in page.chart.series), Decimal(0))
        told = one_book.client.get(bar.column.href.replace("/savings?", "/savings.json?")).json()
        assert Decimal(told["totals"]["saved_cost"]) == shown


def test_the_waterfall_runs_from_the_counterfactual_to_the_cost(one_book: Books) -> None:
    page = page_of(one_book, view_of(one_book, f"period={PERIOD}"))
    assert [step.kind for step in page.steps] == ["sum", *["lever"] * 5, "sum", "discount", "sum"]
    without, *steps, listed, discount, cost = page.steps
    assert (without.amount or 0) - sum(step.amount or 0 for step in steps) == listed.amount
    assert (listed.amount or 0) - (discount.amount or 0) == cost.amount
    assert (discount.amount or 0) > 0
    for step in page.steps:
        assert 0 <= step.span.x <= 100.01
        assert step.span.x + step.span.width <= 100.01
        assert bool(step.span.width) == bool(step.amount)
    per_usd = without.span.width / float(without.amount or 1)
    level = without.amount or Decimal(0)
    for step in steps:
        edges = sorted(page.zero + float(edge) * per_usd for edge in (level, level - (step.amount or 0)))
        assert [step.span.x, step.span.x + step.span.width] == pytest.approx(edges, abs=0.4), step.label
        level -= step.amount or Decimal(0)
    html = one_book.client.get(f"/savings?period={PERIOD}").text
    losses = [step for step in steps if (step.amount or 0) < 0]
    assert html.count('<rect class="loss ') == len(losses)


def test_csv_has_a_row_per_group_or_per_lever_and_the_same_sums(one_book: Books) -> None:
    told = one_book.client.get(f"/api/savings?period={PERIOD}").json()
    for path, heads in (("/savings.csv?by=team&", ["team"]), ("/api/savings?by=lever&format=csv&", ["lever"])):
        rows = list(csv.DictReader(io.StringIO(one_book.client.get(f"{path}period={PERIOD}").text)))
        assert list(rows[0])[:1] == heads
        assert sum(Decimal(row["saved_cost"] or 0) for row in rows) == Decimal(told["totals"]["saved_cost"])
    assert [row["lever"] for row in rows] == list(LEVERS)


def test_the_period_before_stands_beside_and_is_its_own_answer(one_book: Books) -> None:
    told = one_book.client.get("/api/savings?period=2026-11&by=lever").json()
    before = one_book.client.get("/api/savings?period=2026-10&by=lever").json()
    assert told["previous"]["saved_cost"] != told["totals"]["saved_cost"]
    start, end = told["compared_with"]["start"], told["compared_with"]["end"]
    assert datetime.fromisoformat(end) - datetime.fromisoformat(start) > timedelta(days=20)
    assert set(told["previous"]) == set(before["totals"])
    assert one_book.client.get("/api/savings?period=2026-11&compare=false").json()["previous"] is None


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("filter=saved%3Dthrift", "filter"), ("filter=saved~%3Dprompt", "filter"), ("by=weather", "dimension"),
        ("by=team&and=team", "and"), ("sort=beauty", "sort"), ("by=day&and=month", "dimension"), ("limit=0", "limit"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused_with_its_field(one_book: Books, query: str, field: str) -> None:
    for path in ("/savings.json", "/api/savings"):
        refused = one_book.client.get(f"{path}?{query}")
        assert (refused.status_code, refused.json()["field"]) == (400, field)
    assert one_book.client.get(f"/savings?{query}").status_code == 400


def test_the_page_says_what_is_in_none_of_its_sums(one_book: Books) -> None:
    html = one_book.client.get(f"/savings?period={PERIOD}").text
    unpriced = sum(fact.cost is None for fact in one_book.facts)
    assert f"{unpriced} unpriced" in html
    assert "≥ " in html
    only = one_book.client.get(f"/api/savings?period={PERIOD}&filter=quality%3Dunpriced").json()
    assert all(amount is None for amount in numbers(only["totals"]).values())


def test_overview_says_the_same_and_leads_here(client: TestClient) -> None:
    period = "period=2026-10-20..2026-11-23"
    told = client.get(f"/api/savings?{period}").json()["totals"]
    html = client.get(f"/?{period}").text
    found = re.search(
        r'href="(/savings[^"]*)"><div class="label">Saved</div><div class="value saved"><span title="([^"]*)"', html
    )
    assert found
    assert found[2] == f"{told['saved_cost']} USD"
    assert "by all levers" in html
    assert client.get(unescape(found[1])).status_code == 200


def test_the_demos_history_shows_savings_and_losses_that_are_real(client: TestClient) -> None:
    told = client.get("/api/savings?period=2026-10-20..2026-11-23").json()
    by_lever = {one["lever"]: Decimal(one["saved_cost"]) for one in told["levers"]}
    assert by_lever["prompt_cache"] > 5
    assert by_lever["batch"] > 1, "doc-extract asks for the flex tier"
    assert any(one["lever"] == "prompt_cache" for one in told["losses"])
    html = client.get("/savings?period=2026-10-20..2026-11-23").text
    assert "<script>alert" not in html
    assert "Semantic cache" not in html, "a lever that made no difference promises nothing"


def test_a_row_per_month_does_not_follow_to_pages_that_have_none(client: TestClient) -> None:
    html = client.get("/savings?by=month").text
    nav = re.search(r'<nav class="nav".*?</nav>', html, re.DOTALL)
    assert nav
    for href in re.findall(r'href="(/[^"]*)"', nav[0]):
        assert client.get(unescape(href)).status_code == 200


def test_without_calls_the_page_says_how_to_get_some(empty_client: TestClient) -> None:
    assert "No calls yet" in empty_client.get("/savings").text
    told = empty_client.get("/api/savings").json()
    assert (told["totals"]["saved_cost"], told["rows"]) == ("0", [])


DOCS = (Path(__file__).parents[2] / "docs" / "savings.md").read_text("utf-8")


@pytest.mark.parametrize("path", re.findall(r"`(/(?:api/)?savings[^`]*\?[^`]*)`", DOCS))
def test_each_address_in_the_docs_answers(one_book: Books, path: str) -> None:
    assert one_book.client.get(path).status_code == 200


def test_the_filters_in_the_docs_can_be_asked_and_part_the_calls_as_it_says(one_book: Books) -> None:
    def attempts(*filters: str) -> int:
        query = urlencode([("period", PERIOD), ("by", "lever"), *(("filter", one) for one in filters)])
        return int(one_book.client.get(f"/api/savings?{query}").json()["totals"]["attempts"])

    written = [re.findall("`(saved[^`]*)`", line) for line in DOCS.splitlines() if line.startswith("| `saved")]
    assert len(written) == 5
    routing, both, no_batch, none, some = (attempts(*filters) for filters in written)
    everything = attempts()
    assert 0 < both < routing < everything
    assert none + some == everything
    assert no_batch + attempts("saved=batch") == everything


def test_the_example_in_the_docs_adds_up() -> None:
    shown = re.search(r"```\n(counterfactual +\d.*?)```", DOCS, re.DOTALL)
    assert shown
    rows = re.findall(r"^(.*?) +(−?[\d.]+)$", shown[1], re.MULTILINE)
    level, amounts = Decimal(0), [(name, Decimal(amount.replace("−", "-"))) for name, amount in rows]
    assert len(amounts) == 6
    for name, amount in amounts:
        if name.startswith("−"):
            level -= amount
        elif name.startswith("="):
            assert level == amount, name
        else:
            level = amount


def test_more_saved_is_good_and_is_not_in_the_colour_of_danger(client: TestClient) -> None:
    told = client.get("/api/savings?period=7d&by=lever").json()
    now, before = (Decimal(told[name]["saved_cost"]) for name in ("totals", "previous"))
    html = client.get("/savings?period=7d").text
    tile = html[html.index("Saved, last 7 days") :][:600]
    assert now != before
    assert f'<span class="{"saved" if now > before else "danger"}" title="{"+" if now > before else "−"}' in tile


def test_what_is_possible_stands_beside_what_is_realised_once_somebody_asked_for_advice(client: TestClient):
    view = "period=30d&filter=feature%3Dsupport-bot"
    assert "worked out when it is asked for" in client.get(f"/savings?{view}").text
    assert client.get(f"/advice?{view}").status_code == 200
    page = client.get(f"/savings?{view}").text
    assert "worked out when it is asked for" not in page or "too few" in client.get(f"/advice?{view}").text
    assert "Realised against possible" in page
