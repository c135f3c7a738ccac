"""Whatever a bill and the ledger say: the findings add up to the difference, to the last pico-dollar."""

from datetime import date, timedelta
from decimal import Decimal

import hypothesis.strategies as st
from hypothesis import given, settings

from bursar.finance.reconcile.bill import BillLine, number
from bursar.finance.reconcile.books import Ours, Whose
from bursar.finance.reconcile.combine import join_usage
from bursar.finance.reconcile.run import Terms, compare

FIRST = date(2026, 10, 1)
DAYS = st.integers(0, 3).map(lambda step: FIRST + timedelta(days=step))
UNITS = st.sampled_from(["input", "cache_read", "cache_write_5m", "output", ""])
TIERS = st.sampled_from(["standard", "batch", ""])
MODELS = st.sampled_from(["gpt-4o-2024-08-06", "gpt-4.1", ""])
KEYS = st.sampled_from(["key_a", "key_b", "", "vk_1"])
COUNTS = st.integers(0, 10**7).map(Decimal)
MONEY = st.decimals(-5, 500, places=12, allow_nan=False)


@st.composite
def bill_lines(draw):
    start = draw(DAYS)
    kind = draw(st.sampled_from(["usage"] * 6 + ["tax", "credit", "fee", "total"]))
    has_money = kind != "usage" or draw(st.booleans())
    currency, rate = draw(st.sampled_from([("USD", None), ("EUR", None), ("INR", Decimal("84.5"))]))
    return BillLine(
        start=start, end=start + timedelta(days=draw(st.sampled_from([1, 1, 1, 3]))), provider="openai", kind=kind,
        key=draw(KEYS), model=draw(MODELS), unit=draw(UNITS), tier=draw(TIERS), currency=currency, rate=rate,
        quantity=draw(st.none() | COUNTS) if has_money else draw(COUNTS),
        amount=draw(MONEY) if has_money else None, places=draw(st.sampled_from([2, 6, 12])),
    )  # fmt: skip


@st.composite
def charges(draw):
    quality = draw(st.sampled_from(["reported", "reported", "estimated", "assumed", "unpriced"]))
    unit = draw(st.sampled_from(["input", "cache_read", "output", ""]))
    quantity = draw(st.integers(1, 10**6)) if unit else 0
    price = None if quality == "unpriced" or not unit else draw(st.integers(1, 10**9))
    money = draw(st.integers(-(10**9), 10**15)) * 1000 if not unit else quantity * (price or 0)
    return Ours(
        draw(DAYS), Whose(draw(st.sampled_from(["vk_1", "vk_2"])), "project", "openai"),
        draw(st.sampled_from(["gpt-4o-2024-08-06", "gpt-4.1"])), draw(TIERS), unit, quality, quantity, price, money,
    )  # fmt: skip


TERMS = Terms("openai", {"key_a": ["vk_1"]}, Decimal("0.9"), FIRST + timedelta(days=3))


@settings(max_examples=150, deadline=None)
@given(lines=st.lists(bill_lines(), min_size=1, max_size=14), ours=st.lists(charges(), max_size=14))
def test_findings_add_up_to_the_difference(lines, ours):
    found = compare(lines, ours, TERMS, lambda residual, day: [])
    assert sum(one.money for one in found.variances) == found.difference
    for one in found.variances:
        assert sum(cell.money for cell in one.cells) == one.money
    assert sum(day.theirs + day.extra - day.ours for day in found.days) - found.difference in range(-20, 20)
    assert 0 <= found.covered <= max(found.used, 0)


@settings(max_examples=150, deadline=None)
@given(lines=st.lists(bill_lines(), max_size=14))
def test_joining_usage_with_money_loses_no_money(lines):
    joined, _ = join_usage(lines)
    assert sum(line.amount for line in joined) == sum(line.amount for line in lines if line.amount is not None)


@given(lines=st.lists(bill_lines(), max_size=10), data=st.data())
def test_lines_are_numbered_alike_in_any_order(lines, data):
    shuffled = data.draw(st.permutations(lines))
    assert set(number(lines)) == set(number(shuffled))
    assert len({(one.slot, one.ordinal) for one in number(lines)}) == len(lines)


@settings(max_examples=60, deadline=None)
@given(lines=st.lists(bill_lines(), max_size=8), ours=st.lists(charges(), max_size=8))
def test_what_is_compared_twice_is_found_alike(lines, ours):
    if not lines:
        return
    first, second = (compare(lines, ours, TERMS, lambda residual, day: []) for _ in range(2))
    assert first == second
    assert len({one.variance_id for one in first.variances}) == len(first.variances)
