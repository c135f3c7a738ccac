"""Bills in other currencies: what they come to in USD is exact, unknown without a rate, and the same however often."""

from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.finance.focus.books import books
from tests.finance.focus.test_importing import PROPERTY, bill, emptied, row, standing, take

from bursar.domain.clock import datetime_from_us
from bursar.domain.periods import Period, parse_period
from bursar.explore.filters import Filter
from bursar.explore.query import Explorer, Query
from bursar.finance.focus.converting import convert
from bursar.finance.fx.rates import RateRow, Rates
from bursar.ledger.store import Ledger

PERIOD: Period = parse_period("2026-09-01..2026-12-31", datetime_from_us(1_799_000_000_000_000), "UTC")
PLACE = Decimal("1E-18")
amounts = st.decimals(Decimal(-(10**9)), Decimal(10**9), places=9)


def rate(currency: str, day: str, usd: str, purpose: str = "books") -> RateRow:
    return RateRow(date.fromisoformat(day), currency, "USD", Decimal(usd), purpose, "ECB")


def told(ledger: Ledger) -> tuple[Decimal | None, int]:
    """What imported bills are billed in USD, and how many rows are in no sum."""
    asked = Query(PERIOD, ("billed_cost", "unpriced_count"), filters=(Filter("source", ("imported",)),))
    totals = Explorer(ledger).run(asked).totals
    return totals["billed_cost"], totals["unpriced_count"]


def test_a_row_is_converted_by_the_rate_of_its_day_and_unknown_without_one(tmp_path: Path):
    rows = [row("10"), row("80", BillingCurrency="EUR"), row("100", month="2026-11", BillingCurrency="EUR"),
            row("5000", BillingCurrency="JPY")]  # fmt: skip
    with books(tmp_path, []) as ledger:
        take(ledger, bill(tmp_path, rows))
        assert told(ledger) == (Decimal(10), 3)
        missing = convert(ledger, Rates([rate("EUR", "2026-10-30", "1.10", "report")]))
        assert [(one.currency, f"{one.first}", f"{one.last}", one.rows) for one in missing] == [
            ("EUR", "2026-10-30", "2026-11-30", 2), ("JPY", "2026-10-30", "2026-10-30", 1),
        ]  # fmt: skip
        assert missing[0].remedy.startswith("bursar rates add EUR USD RATE --on 2026-10-30 --purpose books")
        missing = convert(ledger, Rates([rate("EUR", "2026-10-28", "1.10"), rate("EUR", "2026-11-30", "1.25")]))
        assert told(ledger) == (Decimal(10) + 88 + 125, 1)
        assert [one.currency for one in missing] == ["JPY"]
        with ledger.reading() as session:
            by = session.query("SELECT reason FROM everything WHERE currency = 'EUR' ORDER BY received_at").rows
        assert by[0][0] == "1 EUR = 1.1 USD, ECB, 2026-10-28, the last one before 2026-10-30"
        convert(ledger, Rates([]))
        assert told(ledger) == (Decimal(10), 3), "a rate that was never there makes nothing known"


def test_what_is_taken_back_takes_its_dollars_back(tmp_path: Path):
    rates = Rates([rate("EUR", "2026-10-30", "1.10")])
    with books(tmp_path, []) as ledger:
        take(ledger, bill(tmp_path, [row("80", BillingCurrency="EUR"), row("20", BillingCurrency="EUR")]))
        take(ledger, bill(tmp_path, [row("80", BillingCurrency="EUR")], "later.csv"), replace=True)
        convert(ledger, rates)
        assert told(ledger) == (Decimal(88), 0)
        assert [cells[1] for cells in standing(ledger, tmp_path / "out.csv")[:-1]].count("80.000000000000000000") == 1


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory):
    with books(tmp_path_factory.mktemp("converting"), []) as ledger:
        yield ledger


@PROPERTY
@given(st.lists(st.tuples(amounts, st.sampled_from(["EUR", "INR", "USD", "XXX"])), min_size=1, max_size=20),
       st.decimals(Decimal("0.000001"), Decimal(1000), places=12))  # fmt: skip
def test_sums_are_conserved_and_twice_is_once(tmp_path: Path, shared: Ledger, said: list[tuple[Decimal, str]],
                                              inr: Decimal):  # fmt: skip
    ledger = emptied(shared)
    rates = Rates([rate("EUR", "2026-10-30", "1.0825"),
                   RateRow(date(2026, 10, 30), "USD", "INR", inr, "books", "FBIL")])  # fmt: skip
    file = bill(tmp_path, [row(f"{cost:f}", BillingCurrency=currency) for cost, currency in said])
    take(ledger, file)
    convert(ledger, rates)
    once = told(ledger)
    assert take(ledger, file).added == 0
    convert(ledger, rates)
    assert told(ledger) == once
    with localcontext(prec=60):
        known = {"EUR": lambda cost: cost * Decimal("1.0825"), "INR": lambda cost: cost / inr, "USD": lambda cost: cost}
        expected = sum(
            (known[currency](cost).quantize(PLACE, ROUND_HALF_EVEN) for cost, currency in said if currency in known),
            Decimal(0),
        )
        assert (once[0] or Decimal(0)).quantize(PLACE) == expected.quantize(PLACE)
    assert once[1] == sum(currency == "XXX" for _, currency in said)
