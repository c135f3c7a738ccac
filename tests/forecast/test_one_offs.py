"""What a forecast doesn't learn from: entries that stand for no call. What re-rates a call is learned from with it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from tests.ledger.records import call_facts, dispatched, settled

from bursar.domain.clock import FixedClock, datetime_from_us
from bursar.domain.money import PICO_PER_USD
from bursar.domain.periods import parse_period
from bursar.domain.tags import Attribution
from bursar.explore.filters import Filter
from bursar.explore.query import Explorer
from bursar.forecast.history import read_history, share_gone
from bursar.forecast.report import make_forecast
from bursar.forecast.told import OTHERS, Wish
from bursar.ledger.adjusting import IDLE_SKU, Adjustment, post_adjustments
from bursar.ledger.duckdb import open_ledger
from bursar.ledger.loader import Loader
from bursar.ledger.store import Ledger
from bursar.spool.journal import Journal

DAY_US = 86_400_000_000
DAYS = 20
START = 1_793_145_600_000_000  # 2026-10-28 00:00 UTC
NOW = datetime_from_us(START + DAYS * DAY_US + DAY_US // 2)
ONE_DAY = START + 15 * DAY_US + DAY_US // 2


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ledger, list[str]]]:
    """A call of one dollar at each noon, of feature `search`."""
    directory = tmp_path_factory.mktemp("one_offs")
    journal = Journal(directory / "spool", "w0", sync=False)
    ids = []
    for day in range(DAYS):
        call = call_facts(START + day * DAY_US + DAY_US // 2, attribution=Attribution(feature="search"))
        one = dispatched(day + 1, call)
        journal.append(one)
        journal.append(settled(one, list_pico=PICO_PER_USD))
        ids.append(one.attempt_id)
    journal.close()
    ledger = open_ledger(directory / "ledger.duckdb", threads=1)
    Loader(ledger, directory / "spool", FixedClock(START + DAYS * DAY_US)).load_all()
    yield ledger, ids
    ledger.close()


def forecast_of(ledger: Ledger):
    return make_forecast(Explorer(ledger), Wish(NOW, "UTC", "feature"))


def test_one_offs_are_in_what_was_spent_and_in_nothing_that_is_expected(books: tuple[Ledger, list[str]]):
    ledger, ids = books
    before = forecast_of(ledger)
    with ledger.writing() as session:
        one_offs = [
            Adjustment(part="short", at_us=ONE_DAY, about={"sku_id": "contract/unused/a"}, effective_pico=500 * 10**12),
            Adjustment(part="credit", at_us=ONE_DAY + DAY_US, effective_pico=-70 * 10**12),
            Adjustment(
                part="line", at_us=ONE_DAY - DAY_US, about={"provider": "openai", "model": "m"},
                list_pico=90 * 10**12, contracted_pico=90 * 10**12, effective_pico=90 * 10**12,
            ),
        ]  # fmt: skip
        post_adjustments(session, one_offs, "bill", "a test", START + DAYS * DAY_US)
    after = forecast_of(ledger)
    assert [one.amount for one in after.figures[1:]] == [one.amount for one in before.figures[1:]]
    assert after.days == before.days
    month = after.figures[0]
    assert month.spent == before.figures[0].spent + 520 * 10**12, "what is spent is spent"
    assert month.amount.expected - month.spent == before.figures[0].amount.expected - before.figures[0].spent
    others = next(one for one in after.parts if one.name == OTHERS)
    assert [one.expected for one in others.figures] == [520 * 10**12, 0, 0, 0], "it is in what was spent alone"
    assert share_gone(Explorer(ledger), NOW, "UTC", ()) == 0.25, "a quarter of the noon hour"

    with ledger.writing() as session:  # half the price for each call: re-rated usage, and learned from
        rated = [Adjustment(attempt_id=one, effective_pico=-PICO_PER_USD // 2) for one in ids]
        post_adjustments(session, rated, "contract:a@1:1", "a test", START + DAYS * DAY_US)
    assert forecast_of(ledger).figures[1].amount.expected == pytest.approx(3.5 * 10**12, rel=0.01)

    with ledger.writing() as session:  # a reservation that idles costs each day anew
        idle = [
            Adjustment(part=str(day), at_us=START + day * DAY_US, about={"sku_id": f"{IDLE_SKU}x"},
                       effective_pico=PICO_PER_USD)
            for day in range(DAYS)
        ]  # fmt: skip
        post_adjustments(session, idle, "contract:b@1:1", "a test", START + DAYS * DAY_US)
    assert forecast_of(ledger).figures[1].amount.expected > 9 * 10**12


def test_one_offs_are_asked_like_any_sum(books: tuple[Ledger, list[str]]):
    ledger, _ = books
    explorer = Explorer(ledger)
    period = parse_period("2026-10-28..2026-11-16", datetime(2026, 11, 17, tzinfo=UTC), "Asia/Kolkata")
    by_day = explorer.one_offs(period, ("day", "model"), measure="list_cost")
    noon = datetime_from_us(ONE_DAY) - timedelta(days=1)
    assert by_day == {(noon.date().isoformat(), "m"): Decimal(90)}
    assert explorer.one_offs(period, ()) == {(): Decimal(520)}
    assert explorer.one_offs(period, (), filters=[Filter("feature", ("search",))]) == {(): Decimal(0)}
    assert explorer.one_offs(period, (), filters=[Filter("tag:plan", ("",)), Filter("model", ("m",))]) == {
        (): Decimal(90)
    }
    history = read_history(explorer, NOW, "UTC", "model", (), 1, 0.5)
    folded = history.folded(0)
    assert sum(folded.one_offs.values()) == sum(history.one_offs.values()) == Decimal(520)


def test_parts_that_were_the_largest_before_still_add_up(books: tuple[Ledger, list[str]]):
    ledger, _ = books
    kept = {"customer": ["nobody"], "feature": ["gone"]}
    found = make_forecast(Explorer(ledger), Wish(NOW, "UTC", "feature"), kept)
    assert kept["feature"] == [""] or "search" in kept["feature"], "what is told is looked up anew"
    told = [one for one in found.parts if one.figures]
    for at, figure in enumerate(found.figures):
        assert sum(one.figures[at].expected for one in told) == figure.amount.expected
