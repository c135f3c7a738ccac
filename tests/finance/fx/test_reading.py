"""Rates from files as the ECB, the RBI and customs publish them."""

from datetime import date
from decimal import Decimal

import pytest

from bursar.domain.errors import BadControl
from bursar.finance.fx.reading import Told, read_rates

REPORT = ("report",)


def told(rows):
    return [f"{row.day} {row.currency}/{row.into} {row.rate} {row.purpose} {row.source}" for row in rows]


def test_a_row_a_rate():
    rows, faults = read_rates(
        "date,currency,rate\n2026-11-12,USD,89.1250\n", Told("FBIL", ("gst", "books"), into="INR")
    )
    assert not faults
    assert told(rows) == ["2026-11-12 USD/INR 89.1250 gst FBIL", "2026-11-12 USD/INR 89.1250 books FBIL"]


def test_the_ecbs_daily_file_has_a_column_for_each_currency():
    content = "Date, USD, JPY, INR, \n12 November 2026, 1.1542, 178.31, N/A, \n"
    rows, faults = read_rates(content, Told("ECB", REPORT, base="EUR"))
    assert not faults
    assert told(rows) == ["2026-11-12 EUR/USD 1.1542 report ECB", "2026-11-12 EUR/JPY 178.31 report ECB"]


def test_the_ecbs_data_portal_names_its_columns_itself():
    content = "KEY,FREQ,CURRENCY,CURRENCY_DENOM,TIME_PERIOD,OBS_VALUE\nEXR.D.USD,D,USD,EUR,2026-11-12,1.1542\n"
    rows, _ = read_rates(content, Told("ECB", REPORT))
    assert told(rows) == ["2026-11-12 EUR/USD 1.1542 report ECB"]


def test_reference_rates_of_the_rbi_are_of_so_many_units():
    content = "Date,1 USD,1 GBP,100 YEN\n12/11/2026,89.1250,117.02,57.50\n"
    rows, _ = read_rates(content, Told("FBIL", ("books",), into="INR"))
    assert [(row.currency, row.rate) for row in rows] == [
        ("USD", Decimal("89.1250")), ("GBP", Decimal("117.02")), ("JPY", Decimal("0.575")),
    ]  # fmt: skip
    assert rows[0].day == date(2026, 11, 12)


def test_customs_rates_have_no_dates_of_their_own():
    content = "Sl. No.,Foreign Currency,Import Rate,Units\n1,USD,89.60,1\n2,JPY,58.10,100\n"
    rows, faults = read_rates(content, Told("CBIC", ("gst",), into="INR", day=date(2026, 11, 5)))
    assert not faults
    assert [(row.currency, row.rate, row.day) for row in rows] == [
        ("USD", Decimal("89.60"), date(2026, 11, 5)), ("JPY", Decimal("0.581"), date(2026, 11, 5)),
    ]  # fmt: skip


def test_a_line_that_cannot_be_read_is_named():
    _, faults = read_rates("date,currency,rate\n2026-11-12,USD,much\n13.11.26,USD,1\n", Told("x", REPORT, into="INR"))
    assert [one.line for one in faults] == [2, 3]


@pytest.mark.parametrize(
    ("content", "how"),
    [
        ("", Told("x", REPORT)),
        ("a,b,c\n1,2,3\n", Told("x", REPORT)),
        ("Date,USD\n2026-11-12,1\n", Told("x", REPORT)),
        ("date,currency,rate\n2026-11-12,USD,1\n", Told("x", REPORT, into="INR", base="EUR")),
    ],
)
def test_a_file_without_such_columns_says_what_is_missing(content, how):
    with pytest.raises(BadControl):
        read_rates(content, how)
