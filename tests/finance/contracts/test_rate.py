"""A day under a contract, with every figure worked out by hand."""

import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.domain.money import PICO_PER_USD, pico_from_usd
from bursar.finance.contracts.balances import Balances
from bursar.finance.contracts.rate import Costs, Day, Rated, Used, portions, rate_day
from bursar.finance.contracts.terms import (
    Capacity,
    Commitment,
    ContractTerms,
    Credit,
    Discount,
    Step,
    UnitPrice,
    Volume,
    faults_of_terms,
)

MONDAY = date(2026, 11, 2)


def usd(text: str) -> int:
    return pico_from_usd(Decimal(text))


def used(cost: str, *, hour: int = 0, model: str = "gpt-5", tier: str = "standard", tokens: int = 0,
         lines: list[tuple[str, int, int]] | None = None) -> Used:  # fmt: skip
    return Used(f"{cost}-{hour}-{model}", hour, model, tier, usd(cost), tokens, lines or ())


def rated(terms: ContractTerms, charges: list[Used], *, day: date = MONDAY, before: Balances | None = None,
          hours_over: int = 24, **brought: int) -> Rated:  # fmt: skip
    return rate_day(Day(day, hours_over, brought), terms, charges, before or Balances())


def openai(**terms: Any) -> ContractTerms:
    return ContractTerms(provider="openai", **terms)


def steps(*pairs: tuple[str, str]) -> tuple[Step, ...]:
    return tuple(Step(Decimal(above), Decimal(percent)) for above, percent in pairs)


def test_without_terms_nothing_changes() -> None:
    assert rated(openai(), [used("1.25")]).charges == [Costs(usd("1.25"), usd("1.25"), usd("1.25"))]


def test_the_first_discount_that_covers_a_charge_counts() -> None:
    terms = openai(discounts=(
        Discount(models=("gpt-5-mini*",), percent=Decimal(30)),
        Discount(tiers=("batch",), percent=Decimal(50)),
        Discount(percent=Decimal("12.5")),
    ))  # fmt: skip
    found = rated(terms, [used("8", model="gpt-5-mini"), used("8", tier="batch"), used("8", tier="default")])
    assert [one.contracted for one in found.charges] == [usd("5.6"), usd("4"), usd("7")]
    assert all(one.contracted == one.effective == one.billed for one in found.charges)


def test_a_discount_is_rounded_once_and_half_even() -> None:
    terms = openai(discounts=(Discount(percent=Decimal(50)),))
    charges = [Used(str(pico), 0, "m", "", pico, 0) for pico in (1, 3, 5)]
    assert [one.contracted for one in rated(terms, charges).charges] == [0, 2, 2]


# $90 of list cost, then $20 and $10 more, with 10 % off above $100 and 20 % off above $110:
# graduated: 90 → 90; 20 = 10 at full price + 10 at 90 % → 19; 10 at 80 % → 8. Together 117.
# all units, the month having reached $120: all of it at 80 %: 72 + 16 + 8 = 96.
@pytest.mark.parametrize(("mode", "expected"), [("graduated", ["90", "19", "8"]), ("all_units", ["72", "16", "8"])])
def test_a_graduated_step_is_about_what_lies_in_it_and_all_units_about_the_month(
    mode: Any, expected: list[str]
) -> None:
    volume = Volume(name="v", mode=mode, steps=steps(("100", "10"), ("110", "20")))
    found = rated(openai(volumes=(volume,)), [used("90"), used("20"), used("10")], v=usd("120"))
    assert [one.contracted for one in found.charges] == [usd(text) for text in expected]
    assert found.after.volumes == {"v": usd("120")}


@pytest.mark.parametrize("mode", ["graduated", "all_units"])
def test_calls_on_reserved_capacity_count_towards_no_volume(mode: Any) -> None:
    # $90 on demand and $50 on capacity: the month brought $90, and the step above $100 isn't reached
    volume = Volume(name="v", mode=mode, steps=steps(("100", "50")))
    ptu = Capacity(name="ptu", models=("gpt-4",), usd=Decimal(1), start=date(2026, 10, 1))
    found = rated(openai(volumes=(volume,), capacities=(ptu,)), [used("50", model="gpt-4"), used("90")], v=usd("90"))
    assert [one.contracted for one in found.charges] == [usd("50"), usd("90")]
    assert found.after.volumes == {"v": usd("90")}


def test_exactly_at_a_bound_the_step_has_not_begun() -> None:
    volume = Volume(name="v", mode="all_units", steps=steps(("100", "10")))
    assert rated(openai(volumes=(volume,)), [used("100")], v=usd("100")).charges[0].contracted == usd("100")
    assert rated(openai(volumes=(volume,)), [used("100")], v=usd("100") + 1).charges[0].contracted == usd("90")


def test_steps_by_tokens_split_a_charge_by_its_tokens() -> None:
    # 1,500,000 tokens for $3, 5 % off above a million: two thirds at full price, a third at 95 %: 2 + 0.95 = 2.95
    volume = Volume(name="v", by="tokens", steps=steps(("1000000", "5")))
    assert rated(openai(volumes=(volume,)), [used("3", tokens=1_500_000)]).charges[0].contracted == usd("2.95")


def test_a_new_month_begins_at_nothing_and_a_day_goes_on_from_the_one_before() -> None:
    volume = Volume(name="v", steps=steps(("100", "50")))
    before = Balances(month="2026-10", volumes={"v": usd("500")})
    last = rated(openai(volumes=(volume,)), [used("10")], day=date(2026, 10, 31), before=before)
    assert last.charges[0].contracted == usd("5")
    first = rated(openai(volumes=(volume,)), [used("10")], day=date(2026, 11, 1), before=last.after)
    assert (first.charges[0].contracted, first.after.volumes) == (usd("10"), {"v": usd("10")})


def test_a_fixed_price_takes_the_place_of_list_and_no_discount_comes_off_it() -> None:
    # 1,000 input at $1.25 a million and 200 output at $10: list 0.00125 + 0.002 = 0.00325
    # fixed output at $6: 0.0012; input at list less 20 %: 0.001; together 0.0022
    lines = [("input", 1_000, 1_250_000_000), ("output", 200, 10_000_000_000)]
    terms = openai(
        prices=(UnitPrice(models=("gpt-5",), unit="output", usd_per_million=Decimal(6)),),
        discounts=(Discount(percent=Decimal(20)),),
    )
    found = rated(terms, [used("0.00325", lines=lines), used("0.00325", model="gpt-4", lines=lines)])
    assert [one.contracted for one in found.charges] == [usd("0.0022"), usd("0.0026")]


def test_credits_draw_down_given_before_paid_and_over_the_end_of_a_month() -> None:
    # given: $5 that expire on 31 October; $10 bought for $8. Spent: $4 and $3 on the 31st, $6 and $4 on the 1st.
    # 31st: 4 from the gift; 3 = 1 gift + 2 bought, which cost 1.60.
    # 1st: 6 bought cost 4.80; 4 = 2 bought (1.60) + 2 to pay.
    terms = openai(credits=(
        Credit(name="bought", amount=Decimal(10), paid=Decimal(8), granted=date(2026, 10, 1)),
        Credit(name="gift", amount=Decimal(5), granted=date(2026, 10, 1), expires=date(2026, 10, 31)),
    ))  # fmt: skip
    last = rated(terms, [used("4"), used("3")], day=date(2026, 10, 31))
    assert last.charges == [Costs(usd("4"), 0, 0), Costs(usd("3"), usd("1.6"), 0)]
    first = rated(terms, [used("6"), used("4")], day=date(2026, 11, 1), before=last.after)
    assert first.charges == [Costs(usd("6"), usd("4.8"), 0), Costs(usd("4"), usd("3.6"), usd("2"))]
    assert first.after.credits == {"gift": usd("5"), "bought": usd("10")}


def test_a_paid_credit_is_billed_when_bought_and_written_off_when_it_expires() -> None:
    credit = Credit(name="c", amount=Decimal(10), paid=Decimal(8), granted=MONDAY, expires=MONDAY)
    found = rated(openai(credits=(credit,)), [used("4")])
    assert [(one.kind, one.costs) for one in found.apart] == [
        ("purchase", Costs(billed=usd("8"))),
        ("expired", Costs(effective=usd("4.8"))),
    ]
    assert [one.kind for one in rated(openai(credits=(credit,)), [], hours_over=23).apart] == ["purchase"]


def test_of_given_credits_the_one_that_expires_first_is_used_first() -> None:
    terms = openai(credits=(
        Credit(name="a", amount=Decimal(5), granted=MONDAY),
        Credit(name="b", amount=Decimal(5), granted=MONDAY, expires=date(2026, 12, 31)),
        Credit(name="c", amount=Decimal(5), granted=MONDAY, expires=date(2026, 11, 30)),
    ))  # fmt: skip
    assert rated(terms, [used("7")]).after.credits == {"c": usd("5"), "b": usd("2")}


def test_a_commitment_in_arrears_bills_what_is_missing_at_its_end() -> None:
    # $100 committed over two days, at 10 % off: 50 and 40 of list are 45 and 36, so 19 are missing
    terms = openai(
        discounts=(Discount(percent=Decimal(10)),),
        commitments=(Commitment(name="c", amount=Decimal(100), start=MONDAY, end=date(2026, 11, 3)),),
    )
    first = rated(terms, [used("50")])
    assert (first.charges, first.apart) == ([Costs(usd("45"), usd("45"), usd("45"))], [])
    last = rated(terms, [used("40")], day=date(2026, 11, 3), before=first.after)
    assert [(one.kind, one.costs) for one in last.apart] == [("unused", Costs(effective=usd("19"), billed=usd("19")))]


def test_a_commitment_paid_up_front_has_paid_for_what_it_covers() -> None:
    terms = openai(
        commitments=(
            Commitment(name="c", amount=Decimal(10), start=MONDAY, end=MONDAY, payment="upfront", counts="list_cost"),
        )
    )
    found = rated(terms, [used("7"), used("5")])
    assert found.charges == [Costs(usd("7"), usd("7"), 0), Costs(usd("5"), usd("5"), usd("2"))]
    assert [(one.kind, one.costs) for one in found.apart] == [("purchase", Costs(billed=usd("10")))]
    short = rated(terms, [used("7")])
    assert [(one.kind, one.costs) for one in short.apart][1:] == [("unused", Costs(effective=usd("3")))]


def test_reserved_capacity_is_shared_by_tokens_and_what_is_idle_stands_apart() -> None:
    # $6 an hour for 100 tokens a minute, 6,000 an hour. Hour 0: 1,000 and 2,000 used, half: 1 + 2, idle 3.
    # Hour 1: 9,000 used, more than it can do: all 6. The other 22 hours are idle: 132.
    terms = openai(
        capacities=(Capacity(name="ptu", models=("gpt-5",), usd=Decimal(6), start=MONDAY, tokens_per_minute=100),)
    )
    charges = [
        used("10", tokens=1_000), used("20", tokens=2_000), used("5", model="gpt-4", tokens=500),
        used("90", hour=1, tokens=9_000),
    ]  # fmt: skip
    found = rated(terms, charges)
    assert [(one.effective, one.billed) for one in found.charges] == [
        (usd("1"), 0), (usd("2"), 0), (usd("5"), usd("5")), (usd("6"), 0)
    ]  # fmt: skip
    assert [(one.kind, one.costs) for one in found.apart] == [
        ("purchase", Costs(billed=usd("144"))), ("idle", Costs(effective=usd("135")))
    ]  # fmt: skip


def test_an_hour_of_capacity_is_shared_out_when_it_is_over() -> None:
    terms = openai(capacities=(Capacity(name="ptu", usd=Decimal(6), start=MONDAY),))
    found = rated(terms, [used("10", tokens=10), used("20", hour=1, tokens=10)], hours_over=1)
    assert found.charges == [Costs(usd("10"), usd("6"), 0), Costs(usd("20"), 0, 0)]
    assert [(one.kind, one.costs) for one in found.apart] == [("purchase", Costs(billed=usd("6")))]


def test_the_hours_of_a_month_add_up_to_its_flat_cost() -> None:
    terms = openai(capacities=(Capacity(name="ptu", usd=Decimal("1000.01"), per="month", start=date(2026, 1, 1)),))
    total = 0
    for number in range(1, 31):
        found = rated(terms, [], day=date(2026, 11, number))
        total += sum(one.costs.billed for one in found.apart)
        assert sum(one.costs.billed - one.costs.effective for one in found.apart) == 0  # all of it idle
    assert total == usd("1000.01")


@given(
    bounds=st.lists(st.integers(0, 10**15), max_size=4, unique=True).map(sorted),
    start=st.integers(0, 10**15),
    amount=st.integers(1, 10**15),
)
def test_the_portions_of_a_charge_are_the_whole_charge(bounds: list[int], start: int, amount: int) -> None:
    made = tuple(Step(Decimal(above).scaleb(-12), Decimal(place)) for place, above in enumerate(bounds))
    volume = Volume(name="v", steps=made or steps(("0", "1")))
    found = portions(volume, start, start + amount)
    assert sum(part for part, _ in found) == amount
    assert all(part > 0 for part, _ in found)


@given(
    costs=st.lists(st.tuples(st.integers(0, 23), st.integers(0, 10**13), st.integers(0, 10**6)), max_size=12),
    flat=st.integers(1, 10**6),
    most=st.one_of(st.none(), st.integers(1, 10**6)),
)
def test_shares_and_idle_parts_are_the_flat_cost_to_the_pico(
    costs: list[tuple[int, int, int]], flat: int, most: int | None
) -> None:
    terms = openai(capacities=(Capacity(name="c", usd=Decimal(flat).scaleb(-3), start=MONDAY, tokens_per_minute=most),))
    charges = [Used(str(n), hour, "m", "", pico, tokens) for n, (hour, pico, tokens) in enumerate(costs)]
    found = rated(terms, charges)
    effective = sum(one.effective for one in found.charges) + sum(one.costs.effective for one in found.apart)
    assert effective == flat * PICO_PER_USD // 1_000 * 24 == sum(one.costs.billed for one in found.apart)


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        (ContractTerms(provider=""), "provider"),
        (openai(discounts=(Discount(percent=Decimal(101)),)), "discounts[0].percent"),
        (openai(discounts=(Discount(percent=Decimal("1.00001")),)), "discounts[0].percent"),
        (openai(volumes=(Volume(name="v", steps=()),)), "volumes[0].steps"),
        (openai(volumes=(Volume(name="v", steps=steps(("5", "1"), ("5", "2"))),)), "volumes[0].steps"),
        (openai(volumes=(Volume(name="v", by="tokens", steps=steps(("1.5", "1"))),)), "volumes[0].steps[0].above"),
        (openai(prices=(UnitPrice(unit="words", usd_per_million=Decimal(1)),)), "prices[0].unit"),
        (openai(prices=(UnitPrice(unit="input", usd_per_million=Decimal("1E-10")),)), "prices[0].usd_per_million"),
        (openai(credits=(Credit(name="", amount=Decimal(1), granted=MONDAY),)), "credits[0].name"),
        (openai(credits=(Credit(name="c", amount=Decimal(0), granted=MONDAY),)), "credits[0].amount"),
        (openai(credits=(Credit(name="c", amount=Decimal(1), granted=MONDAY, expires=date(2026, 1, 1)),)),
         "credits[0].expires"),
        (openai(capacities=(Capacity(name="c", usd=Decimal(1), start=MONDAY, tokens_per_minute=0),)),
         "capacities[0].tokens_per_minute"),
    ],
)  # fmt: skip
def test_terms_that_cannot_be_are_named(terms: ContractTerms, field: str) -> None:
    assert field in [found for found, _ in faults_of_terms(terms)]


def test_the_terms_shown_in_the_docs_can_be_recorded() -> None:
    page = (Path(__file__).parents[3] / "docs" / "contracts.md").read_text("utf-8")
    shown = re.search(r"```json\n(.*?)```", page, re.DOTALL)
    assert shown
    terms = msgspec.json.decode(shown[1], type=ContractTerms)
    assert list(faults_of_terms(terms)) == []
    assert terms.capacities[0].tokens_per_minute == 37_000
