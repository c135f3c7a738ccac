"""What contracts post that stands for no call goes out as FOCUS's rows of commitments; the sums stay the ledger's."""

import csv
import tempfile
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.finance.contracts.world import DAY_US, START, ContractWorld
from tests.finance.focus.books import FOUR

from bursar.domain.clock import datetime_from_us
from bursar.domain.periods import parse_period
from bursar.explore.query import Explorer, Query
from bursar.finance.contracts.terms import Capacity, Commitment, ContractTerms, Credit
from bursar.finance.focus.columns import BY_OURS
from bursar.finance.focus.export import export
from bursar.governance.store import ControlStore

Row = dict[str, str]
ID, STATUS = "CommitmentDiscountId", "CommitmentDiscountStatus"
PTU = Capacity(name="ptu", usd=Decimal(2), start=START, end=START)
TOLD = (ID, "ChargeCategory", STATUS, "CommitmentDiscountCategory", "CommitmentDiscountType", "ChargeFrequency",
        "PricingCategory")  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ControlStore:
    return ControlStore(tmp_path_factory.mktemp("control") / "control.sqlite")


def exported(store: ControlStore, terms: ContractTerms, calls: Sequence[str]) -> tuple[list[Row], dict[str, Any]]:
    """The rows after two days under a contract, and what Explore says of the same period."""
    with tempfile.TemporaryDirectory() as directory:
        world = ContractWorld(Path(directory), store)
        try:
            world.book.add("c", START, terms, actor="ada")
            for usd in calls:
                world.call(usd, hour=3)
            world.clock.at_us += DAY_US
            world.rate()
            period = parse_period(
                f"{START}..{START + timedelta(days=2)}", datetime_from_us(world.clock.now_us()), "UTC"
            )
            file = Path(directory) / "month.csv"
            export(world.ledger, period, file, contracts=world.book.all())
            rows = list(csv.DictReader(file.read_text("utf-8").splitlines()))
            return rows, Explorer(world.ledger).run(Query(period, FOUR)).totals
        finally:
            world.close()


def summed(rows: Sequence[Row], name: str) -> Decimal:
    return sum((Decimal(row[BY_OURS[name].name]) for row in rows), Decimal(0))


def test_what_was_bought_and_what_of_it_was_not_used_say_so(store: ControlStore) -> None:
    terms = ContractTerms(
        provider="openai",
        capacities=(PTU,),
        commitments=(Commitment(name='a/year, "b"', amount=Decimal(9), start=START, end=START, models=("other",)),
                     Commitment(name="ahead", amount=Decimal(7), start=START, end=START, payment="upfront",
                                models=("other",))),
        credits=(Credit(name="pack", amount=Decimal(5), paid=Decimal(4), granted=START, expires=START),),
    )  # fmt: skip
    rows, _ = exported(store, terms, ["5.00"])
    found = {(*(row[name] for name in TOLD), Decimal(row["EffectiveCost"]), Decimal(row["BilledCost"]))
             for row in rows if row[ID]}  # fmt: skip
    usage, once = "Usage-Based", "One-Time"
    assert found == {
        ("c/ptu", "Purchase", "", "Usage", "Reserved capacity", "Recurring", "Standard", 0, 48),
        ("c/ptu", "Usage", "Unused", "Usage", "Reserved capacity", usage, "Committed", 46, 0),
        ('c/a/year, "b"', "Usage", "Unused", "Spend", "Committed spend", usage, "Committed", 9, 9),
        ("c/ahead", "Purchase", "", "Spend", "Committed spend", once, "Standard", 0, 7),
        ("c/ahead", "Usage", "Unused", "Spend", "Committed spend", usage, "Committed", 7, 0),
        ("c/pack", "Purchase", "", "Spend", "Prepaid credit", once, "Standard", 0, 4),
        ("c/pack", "Usage", "Unused", "Spend", "Prepaid credit", usage, "Committed", 4, 0),
    }
    for row in rows:
        if row[ID]:
            amount = max(Decimal(row["EffectiveCost"]), Decimal(row["BilledCost"]))
            assert Decimal(row["CommitmentDiscountQuantity"]) == Decimal(row["PricingQuantity"]) == amount
            assert (row["CommitmentDiscountUnit"], row["PricingUnit"], row["ConsumedQuantity"]) == ("USD", "USD", "")
    assert {row["x_TokenClass"] for row in rows if row["ChargeCategory"] == "Adjustment"} == {"rest"}


cents = st.integers(1, 900).map(lambda amount: Decimal(amount) / 100)


@settings(max_examples=5, deadline=None)
@given(amounts=st.lists(cents, min_size=4, max_size=4), calls=st.lists(cents, max_size=3), is_ahead=st.booleans())
def test_the_four_sums_are_explores_and_what_was_bought_is_used_or_unused(
    store: ControlStore, amounts: list[Decimal], calls: list[Decimal], is_ahead: bool
) -> None:
    commitment, flat, credit, paid = amounts
    terms = ContractTerms(
        provider="openai",
        capacities=(Capacity(name="ptu", usd=flat, start=START, end=START, models=("none",)),),
        commitments=(Commitment(name="year", amount=commitment, start=START, end=START,
                                payment="upfront" if is_ahead else "arrears"),),
        credits=(Credit(name="pack", amount=credit, paid=paid, granted=START, expires=START),),
    )  # fmt: skip
    rows, totals = exported(store, terms, [str(usd) for usd in calls])
    for name in FOUR:
        assert summed(rows, name) == (totals[name] or 0), name
    bought = [row for row in rows if row["ChargeCategory"] == "Purchase"]
    assert summed(bought, "billed_cost") == 24 * flat + paid + (commitment if is_ahead else 0)
    assert summed(bought, "effective_cost") == 0
    unused = [row for row in rows if row[STATUS] == "Unused" and row[ID] == "c/year"]
    assert summed(unused, "effective_cost") == max(commitment - sum(calls), 0)
