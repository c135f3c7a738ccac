"""Figures as people read them, as a table: value in, text out."""

from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.domain import display
from bursar.domain.display import THIN


@pytest.mark.parametrize(
    ("amount", "options", "shown"),
    [
        ("48213.07", {}, "$48,213.07"),
        ("1", {}, "$1.00"),
        ("0.004213", {}, "$0.004213"),
        ("0.00421349", {}, "$0.004213"),
        ("0.41", {}, "$0.41"),
        ("0.05", {}, "$0.05"),
        ("0.12345", {}, "$0.1234"),
        ("0.99996", {}, "$1.00"),
        ("0.000000000012", {}, "$0.000000000012"),
        ("0.000000375", {}, "$0.000000375"),
        ("-572.8", {}, "−$572.80"),
        ("812.35", {"signed": True}, "+$812.35"),
        ("-241.75", {"signed": True}, "−$241.75"),
        ("12.3", {"estimated": True}, "≈ $12.30"),
        ("0", {}, "–"),
        ("0.000000000000", {}, "–"),
        (None, {}, "unpriced"),
        ("100000", {"currency": "INR"}, "₹1,00,000.00"),
        ("12345678.9", {"currency": "INR"}, "₹1,23,45,678.90"),
        ("1234.5", {"locale": "de_DE"}, "$1.234,50"),
        ("1234567.5", {"locale": "hi_IN"}, "$12,34,567.50"),
        ("999", {"currency": "INR"}, "₹999.00"),
        ("1234567.5", {"locale": "fr_FR"}, "$US\u202f1\u202f234\u202f567,50"),
        ("0.0055296", {"places": 7}, "$0.0055296"),
        ("0.00768", {"places": 7}, "$0.0076800"),
        ("2.5", {"currency": "CHF"}, f"CHF{THIN}2.50"),
        ("1e-12", {}, "$0.000000000001"),
        ("999999.994999", {}, "$999,999.99"),
    ],
)
def test_money_reads(amount, options, shown):
    assert str(display.money(None if amount is None else Decimal(amount), **options)) == shown


@given(st.decimals(min_value=Decimal("1e-12"), max_value=Decimal("1e9"), places=12))
def test_money_that_is_there_never_reads_as_zero_and_never_as_an_exponent(amount):
    text = str(display.money(amount))
    assert any(c in "123456789" for c in text)
    assert "E" not in text.upper()


@given(st.decimals(min_value=Decimal("-1e9"), max_value=Decimal("1e9"), places=12))
def test_hovering_an_amount_shows_every_digit(amount):
    assert Decimal(display.money(amount).exact.removesuffix(" USD")) == amount


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0, "–"), (None, "–"),
     (866, "866"), (999, "999"), (1_000, f"1{THIN}k"), (12_430, f"12.4{THIN}k"),
     (12_400_000, f"12.4{THIN}M"), (999_960, f"1{THIN}M"),
     (418_300_000, f"418{THIN}M"), (1_234_000_000, f"1.2{THIN}G")],
)  # fmt: skip
def test_quantities_read(number, shown):
    assert display.compact(number) == shown


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [(295, 1000, "29.5"), (1, 1, "100"), (0, 5, None), (1, 0, None), (1, 100_000, "<0.1"), (99_999, 100_000, ">99.9"),
     (972, 1000, "97.2")],
)  # fmt: skip
def test_shares_read(part, whole, shown):
    assert display.percent(part, whole) == (f"{shown}{THIN}%" if shown else "–")


def test_a_tiny_minus_is_a_minus():
    assert display.percent(Decimal("-0.0001"), 1) == f">−0.1{THIN}%"
    assert display.percent(-3, 10) == f"−30.0{THIN}%"


@pytest.mark.parametrize(
    ("now", "before", "direction", "text"),
    [("112.4", "100", "up", f"12.4{THIN}%"), ("88.5", "100", "down", f"11.5{THIN}%"), ("5", "0", "new", "new"),
     ("0", "5", "gone", "gone"), ("5", "5", "same", "–"), (None, "5", "same", "–"), ("2000", "100", "up", "20×"),
     ("1.00001", "1", "up", f"<0.1{THIN}%")],
)  # fmt: skip
def test_changes_read(now, before, direction, text):
    seen = display.change(None if now is None else Decimal(now), Decimal(before))
    assert (seen.direction, seen.text) == (direction, text)


@pytest.mark.parametrize(
    ("ms", "shown"),
    [(None, "–"), (-1, "–"), (0.42, "0.4 ms"), (830, "830 ms"), (999.6, "1.00 s"), (1830, "1.83 s"), (12_340, "12.3 s"),
     (134_000, "2 min 14 s"), (120_000, "2 min")],
)  # fmt: skip
def test_durations_read(ms, shown):
    assert display.latency(ms).replace(THIN, " ") == shown


@pytest.mark.parametrize(
    ("first", "last", "shown"),
    [("2026-10-01", "2026-10-31", "1–31 Oct 2026"), ("2026-09-28", "2026-10-04", "28 Sep – 4 Oct 2026"),
     ("2025-12-30", "2026-01-02", "30 Dec 2025 – 2 Jan 2026"), ("2026-10-05", "2026-10-05", "5 Oct 2026")],
)  # fmt: skip
def test_ranges_of_days_read(first, last, shown):
    assert display.days(date.fromisoformat(first), date.fromisoformat(last)) == shown


@pytest.mark.parametrize(
    ("at", "shown"),
    [("2026-11-23T14:30:40+00:00", "20 s ago"), ("2026-11-23T14:17:00+00:00", "14 min ago"),
     ("2026-11-23T04:00:00+00:00", "10 h ago"), ("2026-11-20T20:00:00+00:00", "21 Nov, 01:30"),
     ("2025-11-20T04:00:00+00:00", "20 Nov 2025, 09:30"), ("2026-11-23T15:00:00+00:00", "23 Nov, 20:30")],
)  # fmt: skip
def test_times_are_relative_only_under_a_day(at, shown):
    now = datetime(2026, 11, 23, 14, 31, tzinfo=UTC)
    assert display.when(datetime.fromisoformat(at), now, ZoneInfo("Asia/Kolkata")).replace(THIN, " ") == shown


def test_an_id_is_shortened_in_the_middle():
    assert display.short_id("018bcfe5-6800-7abc-8def-0123456789ab") == "018bcfe5…6789ab"
    assert display.short_id("vk_short") == "vk_short"


@pytest.mark.parametrize(
    ("price", "unit", "shown"),
    [("0.000003", "input", "$3.00 / M"), ("0.0000003", "cache_read", "$0.30 / M"), ("0.01", "web_search", "$0.01 each"),
     ("0", "input", "–")],
)  # fmt: skip
def test_unit_prices_read(price, unit, shown):
    assert display.unit_price(Decimal(price), unit) == shown
