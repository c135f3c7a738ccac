"""Contracts against the books: posted once, by difference, and always what rating everything at once would give."""

import tempfile
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.finance.contracts.world import DAY_US, START, ContractWorld

from bursar.domain.money import usd_from_pico
from bursar.finance.contracts.rating import Ratings
from bursar.finance.contracts.terms import (
    Capacity,
    Commitment,
    ContractTerms,
    Credit,
    Discount,
    Step,
    UnitPrice,
    Volume,
)
from bursar.governance.store import ControlStore
from bursar.ledger.journal import Correction, post, reverse


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ContractWorld]:
    made = ContractWorld(tmp_path)
    yield made
    made.close()


def openai(**terms: Any) -> ContractTerms:
    return ContractTerms(provider="openai", **terms)


TENTH = openai(discounts=(Discount(percent=Decimal(10)),))
PICO = 10**12


def test_a_discount_is_posted_as_an_entry_that_names_contract_and_version(world: ContractWorld) -> None:
    world.book.add("openai-2026", START, TENTH, actor="ada")
    world.call("2.00")
    world.call("3.00", provider="anthropic")
    done = world.rate()
    assert (done.entries, done.contracted, done.effective, done.billed) == (1, -PICO // 5, -PICO // 5, -PICO // 5)
    found = world.rows("SELECT entry, reason, feature, customer, effective_cost, writer FROM charges "
                       "WHERE entry = 'adjustment'")  # fmt: skip
    assert found[0][:5] == ("adjustment", "contract openai-2026, version 1", "checkout", "acme", Decimal("-0.2"))
    assert found[0][5].startswith(f"contract:{world.book.all()[0].contract_id}@1:")
    assert world.costs() == (5 * PICO, 48 * PICO // 10, 48 * PICO // 10, 48 * PICO // 10)
    assert world.broken() == []


def test_rating_again_posts_nothing(world: ContractWorld) -> None:
    world.book.add("c", START, TENTH, actor="ada")
    world.call("2.00")
    assert world.rate().entries == 1
    assert world.rate() == Ratings()
    with world.store.writing() as connection:  # what was remembered is lost: all is looked at again, to the same sums
        connection.exec_driver_sql("DELETE FROM contract_days")
    again = world.rate()
    assert (again.days, again.entries) == (2, 0)


def test_a_late_call_a_correction_and_a_reversal_post_only_the_difference(world: ContractWorld) -> None:
    world.book.add("c", START, TENTH, actor="ada")
    first, second = world.call("2.00"), world.call("4.00")
    world.rate()
    world.call("1.00", day=0)
    assert world.rate().contracted == -PICO // 10
    post(world.ledger, [Correction(first.attempt_id, "late", "late", 5 * PICO)], world.clock.now_us())
    assert world.rate().contracted == -3 * PICO // 10  # of five dollars half a dollar, of which 0.20 was posted
    reverse(world.ledger, second.attempt_id, "never happened", world.clock.now_us())
    assert world.rate().contracted == 4 * PICO // 10
    assert world.costs() == world.from_scratch()
    assert world.broken() == []


def test_a_contract_entered_late_rates_the_past_and_another_version_only_from_its_day_on(world: ContractWorld) -> None:
    world.call("1.00", day=0)
    world.call("1.00", day=1)
    world.clock.at_us = world.clock.now_us() + DAY_US
    world.book.add("c", START, TENTH, actor="ada")
    assert world.rate().contracted == -PICO // 5
    better = openai(discounts=(Discount(percent=Decimal(30)),))
    world.book.change("c", START + timedelta(days=1), better, actor="ada", why="renegotiated")
    done = world.rate()
    assert (done.entries, done.contracted) == (1, -PICO // 5)
    reasons = "SELECT DISTINCT reason FROM charges WHERE entry = 'adjustment' ORDER BY 1"
    assert world.rows(reasons) == [("contract c, version 1",), ("contract c, version 2",)]


def test_a_contract_that_ends_from_its_beginning_takes_back_all_that_it_changed(world: ContractWorld) -> None:
    world.book.add("c", START, TENTH, actor="ada")
    world.call("1.00")
    world.rate()
    gone = openai(until=START - timedelta(days=1))
    world.book.change("c", START - timedelta(days=1), gone, actor="ada", why="was never signed")
    world.rate()
    assert len(set(world.costs())) == 1


def test_crossing_a_step_that_holds_for_the_whole_month_rates_the_month_again(world: ContractWorld) -> None:
    volume = Volume(name="v", mode="all_units", steps=(Step(Decimal(2), Decimal(10)),))
    world.book.add("c", START, openai(volumes=(volume,)), actor="ada")
    world.call("2.00", day=0)
    assert world.rate().entries == 0
    world.call("1.00", day=1)
    assert (world.rate().contracted, world.costs()) == (-3 * PICO // 10, world.from_scratch())


def test_fixed_prices_are_read_from_the_lines_of_a_charge(world: ContractWorld) -> None:
    prices = (UnitPrice(unit="output", usd_per_million=Decimal(4)),)
    world.book.add("c", START, openai(prices=prices), actor="ada")
    lines = [("input", 1_000, 1_000_000_000), ("output", 500, 10_000_000_000)]
    world.call("0.006", lines=lines)
    world.rate()
    assert world.costs()[1] == 3 * PICO // 1_000


def test_what_stands_for_no_call_is_in_the_books_under_its_vendor(world: ContractWorld) -> None:
    ptu = Capacity(name="ptu", usd=Decimal(2), start=START, end=START)
    world.book.add("c", START, openai(capacities=(ptu,)), actor="ada")
    world.call("5.00", hour=3)
    world.rate()
    apart = world.rows("SELECT sku_id, provider, effective_cost, billed_cost, attempt_id FROM charges "
                       "WHERE sku_id LIKE 'contract/%' ORDER BY 1")  # fmt: skip
    assert apart == [
        ("contract/idle/ptu", "openai", Decimal(46), Decimal(0), None),
        ("contract/purchase/ptu", "openai", Decimal(0), Decimal(48), None),
    ]
    assert world.costs() == (5 * PICO, 5 * PICO, 48 * PICO, 48 * PICO)
    assert world.broken() == []


def test_an_unpriced_call_stays_unknown_until_it_is_priced(world: ContractWorld) -> None:
    world.book.add("c", START, TENTH, actor="ada")
    dark = world.call("0", list_pico=None, lines=[], quality="unpriced", sku_id="", sku_price_id="")
    assert world.rate().entries == 0
    post(world.ledger, [Correction(dark.attempt_id, "price", "priced later", 2 * PICO)], world.clock.now_us())
    assert world.rate().contracted == -PICO // 5
    assert world.broken() == []


_TERMS = (
    TENTH,
    openai(
        discounts=(Discount(models=("gpt-5",), percent=Decimal("7.3")),),
        volumes=(Volume(name="v", steps=(Step(Decimal("0.5"), Decimal("12.34")), Step(Decimal(2), Decimal(31)))),),
        credits=(Credit(name="gift", amount=Decimal("0.7"), granted=START, expires=START + timedelta(days=1)),),
    ),
    openai(
        volumes=(Volume(name="v", mode="all_units", by="tokens", steps=(Step(Decimal(2500), Decimal("9.1")),)),),
        credits=(
            Credit(name="gift", amount=Decimal("0.3"), granted=START),
            Credit(name="paid", amount=Decimal(3), paid=Decimal("2.7"), granted=START, expires=date(2026, 10, 30)),
        ),
        commitments=(
            Commitment(name="c", amount=Decimal("1.5"), start=START, end=START + timedelta(days=2), payment="upfront"),
        ),
    ),
    openai(
        discounts=(Discount(percent=Decimal("33.3333")),),
        volumes=(Volume(name="v", mode="all_units", steps=(Step(Decimal("0.9"), Decimal(20)),)),),
        commitments=(Commitment(name="c", amount=Decimal(4), start=START, end=START + timedelta(days=1)),),
        capacities=(
            Capacity(
                name="ptu", models=("gpt-4",), usd=Decimal("97.77"), per="month", start=START, tokens_per_minute=50
            ),
        ),
    ),
    openai(until=START + timedelta(days=1), discounts=(Discount(percent=Decimal(1)),)),
)
_STEPS = st.one_of(
    st.tuples(st.just("call"), st.integers(0, 4), st.integers(1, 3 * PICO), st.integers(0, 1)),
    st.tuples(st.just("correct"), st.integers(0, 9), st.integers(0, 3 * PICO), st.integers(0, 1)),
    st.tuples(st.just("reverse"), st.integers(0, 9), st.just(0), st.just(0)),
    st.tuples(st.just("version"), st.integers(-1, 3), st.integers(0, len(_TERMS) - 1), st.just(0)),
    st.tuples(st.just("rate"), st.just(0), st.just(0), st.just(0)),
    st.tuples(st.just("wait"), st.integers(1, 30), st.just(0), st.just(0)),
)


@pytest.mark.slow
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(_STEPS, min_size=4, max_size=12))
def test_whatever_happens_posted_totals_are_those_worked_out_from_scratch(
    store: ControlStore, steps: list[tuple[str, int, int, int]]
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        world = ContractWorld(Path(directory), store)
        try:
            world.book.add("c", START, _TERMS[1], actor="ada")
            for step in steps:
                _do(world, *step)
            world.rate()
            assert world.costs() == world.from_scratch()
            assert world.rate().entries == 0
            assert world.broken() == []
        finally:
            world.close()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ControlStore:
    return ControlStore(tmp_path_factory.mktemp("control") / "control.sqlite")


def _do(world: ContractWorld, what: str, first: int, second: int, third: int) -> None:
    at = world.clock.now_us()
    match what:
        case "call":
            world.call(f"{usd_from_pico(second):f}", day=first, hour=second % 24, model=("gpt-5", "gpt-4")[third])
        case "correct" if first < len(world.attempts):
            key = f"{second}"
            post(world.ledger, [Correction(world.attempts[first].attempt_id, key, "a test", second)], at)
        case "reverse" if first < len(world.attempts):
            reverse(world.ledger, world.attempts[first].attempt_id, "a test", at)
        case "version":
            world.book.change("c", START + timedelta(days=first), _TERMS[second], actor="ada")
        case "rate":
            world.rate()
        case "wait":
            world.clock.at_us = at + first * 3_600_000_000
