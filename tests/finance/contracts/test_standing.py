"""Where promises stand: what is used, what will be, and what would be lost."""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from tests.finance.contracts.world import DAY_US, START, ContractWorld

from bursar.domain.clock import datetime_from_us
from bursar.explore.query import Explorer
from bursar.finance.contracts.standing import drawdowns, terms_in_words, volumes
from bursar.finance.contracts.terms import Capacity, Commitment, ContractTerms, Credit, Discount, Step, Volume
from bursar.finance.contracts.vendors import by_month, mix, vendors

TERMS = ContractTerms(
    provider="openai",
    discounts=(Discount(models=("gpt-5*",), tiers=("batch",), percent=Decimal("7.50")),),
    volumes=(Volume(name="v", steps=(Step(Decimal(3), Decimal(10)), Step(Decimal(100), Decimal(20)))),),
    credits=(Credit(name="gift", amount=Decimal(2), granted=START, expires=START + timedelta(days=60)),),
    commitments=(Commitment(name="c", amount=Decimal(100), start=START, end=START + timedelta(days=9)),),
    capacities=(Capacity(name="ptu", usd=Decimal(3), start=START + timedelta(days=90), models=("x",)),),
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ContractWorld]:
    made = ContractWorld(tmp_path)
    yield made
    made.close()


def test_a_commitment_that_will_fall_short_says_by_how_much(world: ContractWorld) -> None:
    world.book.add("acme", START, TERMS, actor="ada")
    for day in range(4):
        world.call("5.00", day=day)
    world.clock.at_us += 3 * DAY_US
    world.rate()
    contract, today = world.book.get("acme"), START + timedelta(days=4)
    found = {one.name: one for one in drawdowns(contract, world.book.rated(contract.contract_id), today)}
    # 20 at list, all in October; 10 % off the 17 above 3 is 1.70. A day costs 18.30 / 4, and five days are left
    assert found["c"].used == Decimal("18.3")
    assert (found["c"].state, found["c"].days_left) == ("short", 5)
    assert found["c"].pace == Decimal("4.575")
    assert (found["c"].expected, found["c"].unused) == (Decimal("41.175"), Decimal("58.825"))
    assert (found["gift"].state, found["gift"].used, found["gift"].is_short) == ("used up", Decimal(2), False)
    (step,) = volumes(contract, world.book.rated(contract.contract_id), START + timedelta(days=3))
    assert (step.brought, step.percent, step.to_next) == (Decimal(20), Decimal(10), Decimal(80))


def test_terms_are_told_in_words() -> None:
    assert terms_in_words(TERMS) == [
        "7.5 % off gpt-5* on batch",
        "v: 10 % above $3, 20 % above $100 a month, for what lies above, all models",
        "credit gift: $2, given, from 2026-10-28 until 2026-12-27",
        "commitment c: $100 from 2026-10-28 to 2026-11-06, in arrears, all models",
        "capacity ptu: $3 per hour from 2027-01-26, x",
    ]


def test_a_vendor_above_five_thousand_a_month_needs_an_owner(world: ContractWorld) -> None:
    world.call("6000.00")
    world.call("10.00", model="gpt-4")
    world.call("40.00", provider="anthropic")
    explorer, now = Explorer(world.ledger), datetime_from_us(world.clock.now_us())
    found = vendors(explorer, [], {}, now, "UTC")
    assert [(one.provider, one.effective_cost, one.needs_owner) for one in found] == [
        ("openai", Decimal(6010), True), ("anthropic", Decimal(40), False)
    ]  # fmt: skip
    assert not vendors(explorer, [], {"openai": "Ada"}, now, "UTC")[0].needs_owner
    assert [(part.name, part.effective_cost) for part in mix(explorer, "openai", "model", now, "UTC")] == [
        ("gpt-5", Decimal(6000)), ("gpt-4", Decimal(10))
    ]  # fmt: skip
    assert by_month(explorer, "openai", now, "UTC") == [("2026-10", Decimal(6010))]
    assert date(2026, 10, 28) == START
