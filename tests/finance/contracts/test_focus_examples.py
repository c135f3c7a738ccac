"""The FOCUS specification's own examples of agreements and commitment discounts, as far as they are about what we rate.

Source: FOCUS_Spec, examples/commitment_discount_scenarios and saas_examples/spend_agreements at 04f8bb3d (v1.2),
CC-BY-4.0. Two things differ on purpose. Rows of purchases and fees repeat their amount as list and contracted cost;
here sums are taken over all rows, and it would count twice. And the fee at the end of what was paid up front
is billed again in example b1 (not in b2, its sibling): here it is lost, not billed.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Literal

import pytest

from bursar.domain.money import pico_from_usd, usd_from_pico
from bursar.finance.contracts.balances import Balances
from bursar.finance.contracts.rate import Day, Used, rate_day
from bursar.finance.contracts.terms import Capacity, Commitment, ContractTerms, Discount

APRIL, NEXT_MARCH = date(2025, 4, 1), date(2026, 3, 31)
LIST = {date(2025, 4, 10): 60, date(2025, 5, 10): 150, date(2025, 6, 10): 75}  # server hours at 15; agreed: 12
USED = [("usage", 48), ("usage", 120), ("usage", 60)]


def usd(dollars: object) -> int:
    return pico_from_usd(Decimal(str(dollars)))


def year(terms: ContractTerms) -> list[tuple[str, Decimal, Decimal, Decimal]]:
    """(what, contracted, effective, billed) of each row of twelve months, USD."""
    rows, balances, day = [], Balances(), APRIL
    while day <= NEXT_MARCH:
        charges = [Used("a", 0, "AwesomeDB", "", usd(LIST[day]), 0)] if day in LIST else []
        found = rate_day(Day(day), terms, charges, balances)
        rows += [("usage", one) for one in found.charges]
        rows += [(one.kind, one.costs) for one in found.apart]
        balances = found.after
        day += timedelta(days=1)
    return [
        (what, usd_from_pico(one.contracted), usd_from_pico(one.effective), usd_from_pico(one.billed))
        for what, one in rows
    ]


def agreement(*commitments: Commitment) -> ContractTerms:
    return ContractTerms(provider="acme", discounts=(Discount(percent=Decimal(20)),), commitments=commitments)


def whole(payment: Literal["arrears", "upfront"]) -> Commitment:
    return Commitment(name="C", amount=Decimal(1200), start=APRIL, end=NEXT_MARCH, payment=payment)


def test_spend_agreement_a1_bills_at_its_end_what_was_not_used() -> None:
    rows = year(agreement(whole("arrears")))
    assert [(what, effective, billed) for what, _, effective, billed in rows] == [
        *((what, Decimal(amount), Decimal(amount)) for what, amount in USED), ("unused", Decimal(972), Decimal(972))
    ]  # fmt: skip
    assert [contracted for _, contracted, _, _ in rows][:3] == [48, 120, 60]


def test_spend_agreement_a2_has_a_minimum_each_month() -> None:
    months = [date(2025 + at // 12, at % 12 + 1, 1) for at in range(3, 15)]
    ends = [*(following - timedelta(days=1) for following in months[1:]), NEXT_MARCH]
    minimum = [
        Commitment(name=f"{first:%Y-%m}", amount=Decimal(60), start=first, end=last)
        for first, last in zip(months, ends, strict=True)
    ]
    rows = year(agreement(*minimum))
    fees = [billed for what, _, _, billed in rows if what == "unused"]
    assert fees == [12, *[60] * 9]  # May and June brought more; the year's own shortfall is another commitment
    assert sum(billed for _, _, _, billed in rows) == 48 + 12 + 120 + 60 + 9 * 60


def test_spend_agreement_b1_was_paid_up_front() -> None:
    rows = year(agreement(whole("upfront")))
    told = [(what, effective, billed) for what, _, effective, billed in rows]
    assert sorted(told) == [
        ("purchase", 0, 1200), ("unused", 972, 0), ("usage", 48, 0), ("usage", 60, 0), ("usage", 120, 0)
    ]  # fmt: skip
    assert sum(effective for _, _, effective, _ in rows) == 1200 == sum(billed for _, _, _, billed in rows)


@pytest.mark.parametrize(
    ("tokens", "expected", "idle"),
    [
        ([60], ["1"], "0"),  # scenario 1: all of the hour is used
        ([], [], "1"),  # scenario 2: none of it
        ([45], ["0.75"], "0.25"),  # scenario 3: three quarters
    ],
)
def test_commitment_discount_scenarios_share_an_hour_that_costs_a_dollar(
    tokens: Sequence[int], expected: list[str], idle: str
) -> None:
    capacity = Capacity(name="c", usd=Decimal(1), start=APRIL, end=APRIL, tokens_per_minute=1)
    terms = ContractTerms(provider="acme", capacities=(capacity,))
    charges = [Used(str(at), 0, "m", "", usd(2), count) for at, count in enumerate(tokens)]
    found = rate_day(Day(APRIL, 1), terms, charges, Balances())
    assert [(one.effective, one.billed) for one in found.charges] == [(usd(text), 0) for text in expected]
    apart: dict[str, Any] = {one.kind: one.costs for one in found.apart}
    assert apart["purchase"].billed == usd(1)
    assert (apart["idle"].effective if "idle" in apart else 0) == usd(idle)


def test_commitment_discount_scenario_4_pays_beside_the_commitment_for_what_it_does_not_cover() -> None:
    capacity = Capacity(name="c", usd=Decimal(1), start=APRIL, end=APRIL, models=("covered",))
    terms = ContractTerms(provider="acme", capacities=(capacity,))
    charges = [Used("a", 0, "covered", "", usd(2), 60), Used("b", 0, "over", "", usd("0.5"), 15)]
    found = rate_day(Day(APRIL, 1), terms, charges, Balances())
    assert [(one.effective, one.billed) for one in found.charges] == [(usd(1), 0), (usd("0.5"), usd("0.5"))]
