"""Three cases from the field, each as it would be brought in, to the cent."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from tests.finance.made import NOW, Books, charge, customer, paid, plan

from bursar.domain.money import usd_from_pico
from bursar.finance.business.keeping import Records
from bursar.finance.economics.free import free_tier, free_tier_of
from bursar.finance.economics.report import Economics
from bursar.finance.economics.spans import read_span

USD = 10**12


@pytest.fixture
def october(tmp_path: Path) -> Iterator[tuple[Books, Economics]]:
    """A $19 plan: 8 usual customers at $11 of AI, one with 100 times the calls and 200 times the cost; 49 free ones
    at $4, one of whom converted to $10."""
    usual = [charge(f"pro-{at}", "0.55", count=20) for at in range(8)]
    power = [charge("power", "1.10", count=2000)]
    free = [charge(f"free-{at}", "4") for at in range(49)] + [charge("starter-1", "4")]
    books = Books(tmp_path, [*usual, *power, *free])
    books.book.bring_in(
        Records(
            plans=[plan("Free", "0"), plan("Starter", "10"), plan("Pro", "19")],
            customers=[
                *(customer(f"free-{at}", "Free") for at in range(49)),
                customer("starter-1", "Starter", converted_on=NOW.date().replace(month=10, day=5)),
                *(customer(f"pro-{at}", "Pro") for at in range(8)),
                customer("power", "Pro"),
            ],
            revenue=[paid("starter-1", "10"), *(paid(f"pro-{at}", "19") for at in range(8)), paid("power", "19")],
        ),
        "test",
        actor="ada",
    )
    yield books, books.desk.economics(read_span("2026-10", "", NOW, "UTC"))
    books.close()


def test_a_nineteen_dollar_plan_with_eleven_of_ai_keeps_eight(october):
    _, found = october
    row = found.row("pro-0")
    assert (row.revenue_pico, row.ai_pico, row.margin_pico) == (19 * USD, 11 * USD, 8 * USD)
    assert found.levers(row) == []


def test_a_power_user_with_a_hundred_times_the_volume_costs_two_hundred_times_as_much(october):
    _, found = october
    power = found.row("power")
    usual = found.facts["Pro"].usual
    assert power.calls == 100 * usual.calls
    assert power.ai_pico == 200 * usual.cost_pico
    assert power.margin_pico == (19 - 2200) * USD
    levers = {one.name: one for one in found.levers(power)}
    assert set(levers) == {"route", "limit"}
    assert levers["limit"].draft == {"limit": "5.7", "window": "month", "match": {"customer": "power"}}
    assert "100 times the calls" in levers["limit"].text


def test_free_users_at_four_dollars_with_two_percent_conversion_to_ten_destroy_the_margin(october):
    _, found = october
    rows = [row for row in found.rows if row.plan in ("Free", "Starter")]
    tier = free_tier_of(rows, found.span)
    assert (tier.free, tier.converted, tier.rate) == (49, 1, Decimal("0.02"))
    assert tier.burn_pico == 196 * USD
    assert tier.per_free_pico == 4 * USD
    assert tier.earned_pico == 6 * USD
    assert tier.carried == 49
    assert tier.carried_pico == 196 * USD  # what each payer has to carry, of $10
    assert tier.verdict == "destroys"
    assert round(float(tier.payback_months), 1) == 32.7


def test_a_free_tier_that_is_cheap_enough_pays():
    tier = free_tier(
        free=98, burn_pico=98 * USD // 50, paying=2, paying_revenue_pico=20 * USD, paying_cost_pico=2 * USD, converted=2
    )
    assert tier.verdict == "pays"
    assert usd_from_pico(round(tier.carried_pico)) == Decimal("0.98")


def test_a_free_tier_from_which_nobody_converts_destroys_margin_and_never_pays_back():
    tier = free_tier(
        free=10, burn_pico=40 * USD, paying=1, paying_revenue_pico=10 * USD, paying_cost_pico=USD, converted=0
    )
    assert (tier.verdict, tier.payback_months) == ("destroys", None)
