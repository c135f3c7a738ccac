"""Exchange rates: which one a day is converted by, and that an unknown one is never 1."""

from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.domain.errors import BadControl
from bursar.finance.fx.rates import SAME, RateRow, Rates, check_row
from bursar.finance.fx.realised import realised_difference

NOV_12 = date(2026, 11, 12)


def row(text: str) -> RateRow:
    """`2026-11-12 USD INR 89.125 gst FBIL`."""
    day, currency, into, rate, purpose, source = text.split(maxsplit=5)
    return RateRow(date.fromisoformat(day), currency, into, Decimal(rate), purpose, source)


def rates(*lines: str) -> Rates:
    return Rates(map(row, lines))


def test_a_day_takes_its_own_rate_with_its_source_and_date():
    found = rates("2026-11-12 USD INR 89.1250 gst FBIL").rate("USD", "INR", NOV_12, "gst")
    assert found is not None
    assert (found.rate, found.source, found.day, found.age_days) == (Decimal("89.1250"), "FBIL", NOV_12, 0)
    assert found.convert(Decimal(10_000)) == Decimal(891250)
    assert found.told() == "1 USD = 89.125 INR, FBIL, 2026-11-12"


def test_a_rate_for_one_purpose_is_never_taken_for_another():
    known = rates("2026-11-12 USD INR 89.1250 gst FBIL")
    assert known.rate("USD", "INR", NOV_12, "tds") is None


def test_a_day_without_a_rate_takes_the_last_known_one_and_says_so():
    known = rates("2026-11-06 USD INR 88.9 books RBI", "2026-11-13 USD INR 90 books RBI")
    found = known.rate("USD", "INR", date(2026, 11, 9), "books")
    assert found is not None
    assert (found.rate, found.age_days) == (Decimal("88.9"), 3)
    assert "the last one before 2026-11-09" in found.told()


def test_a_rate_that_is_too_old_is_unknown_and_not_one():
    known = rates("2026-11-01 USD INR 88.9 books RBI")
    assert known.rate("USD", "INR", date(2026, 11, 8), "books") is not None
    assert known.rate("USD", "INR", date(2026, 11, 9), "books") is None
    assert known.rate("USD", "INR", date(2026, 10, 31), "books") is None


def test_the_same_currency_needs_no_rate():
    found = rates().rate("USD", "USD", NOV_12, "books")
    assert found is not None
    assert (found.rate, found.source) == (Decimal(1), SAME)


def test_a_rate_quoted_the_other_way_round_is_turned_and_says_so():
    found = rates("2026-11-12 EUR USD 1.25 report ECB").rate("USD", "EUR", NOV_12, "report")
    assert found is not None
    assert (found.rate, found.inverse) == (Decimal("0.8"), True)
    assert found.convert(Decimal(100)) == Decimal(80)
    assert "turned round" in found.told()


def test_a_cross_rate_goes_through_a_named_currency_and_is_as_old_as_its_older_half():
    known = rates("2026-11-11 EUR USD 1.25 report ECB", "2026-11-12 USD INR 88 report FBIL")
    found = known.rate("EUR", "INR", NOV_12, "report")
    assert found is not None
    assert (found.rate, found.via, found.day) == (Decimal(110), "USD", date(2026, 11, 11))
    assert found.source == "ECB and FBIL"
    assert known.rate("EUR", "JPY", NOV_12, "report") is None


def test_of_two_rates_for_a_day_the_later_one_holds():
    found = rates("2026-11-12 USD INR 89 books RBI", "2026-11-12 USD INR 89.5 books RBI").rate(
        "USD", "INR", NOV_12, "books"
    )
    assert found is not None
    assert found.rate == Decimal("89.5")


def test_what_an_invoice_cost_more_than_it_was_booked_at_is_a_loss_of_its_own():
    found = realised_difference(Decimal(10_000), Decimal("88.90"), Decimal("89.60"))  # golden case GX-S01
    assert (found.booked, found.paid) == (Decimal("889000.00"), Decimal("896000.00"))
    assert (found.loss, found.kind) == (Decimal("7000.00"), "loss")
    assert realised_difference(Decimal(1), Decimal(2), Decimal(1)).kind == "gain"
    assert realised_difference(Decimal(1), Decimal(2), Decimal(2)).kind == "none"


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("2026-11-12 usd INR 89 books RBI", "currency"),
        ("2026-11-12 USD RUPEE 89 books RBI", "into"),
        ("2026-11-12 USD USD 1 books RBI", "into"),
        ("2026-11-12 USD INR 0 books RBI", "rate"),
        ("2026-11-12 USD INR NaN books RBI", "rate"),
        ("2026-11-12 USD INR 89.1234567890123 books RBI", "rate"),
        ("2026-11-12 USD INR 89 vat RBI", "purpose"),
    ],
)
def test_a_row_that_cannot_be_names_its_field(line, field):
    with pytest.raises(BadControl) as caught:
        check_row(row(line))
    assert caught.value.field == field


@given(
    amount=st.decimals(min_value=0, max_value=10**9, places=2),
    rate=st.decimals(min_value="0.0001", max_value=10**6, places=4),
    age=st.integers(0, 40),
)
def test_there_and_back_is_the_same_amount_and_no_rate_is_older_than_its_limit(amount, rate, age):
    known = Rates([RateRow(NOV_12, "USD", "INR", rate, "books", "RBI")])
    day = NOV_12 + timedelta(days=age)
    there, back = known.rate("USD", "INR", day, "books"), known.rate("INR", "USD", day, "books")
    assert (there is None) == (back is None) == (age > 7)
    if there is not None and back is not None:
        assert back.convert(there.convert(amount)).quantize(Decimal("0.01"), ROUND_HALF_UP) == amount
