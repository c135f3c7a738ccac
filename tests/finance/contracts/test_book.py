"""The book of contracts: versions are appended, nothing is rewritten, mistakes are named."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from tests.governance.conftest import server, store

from bursar.domain.clock import FixedClock
from bursar.domain.errors import BadContract, NameTaken, UnknownContract
from bursar.finance.contracts.balances import Balances
from bursar.finance.contracts.book import ContractBook, RatedDay
from bursar.finance.contracts.terms import ContractTerms, Credit, Discount
from bursar.governance.store import ControlStore

__all__ = ["server", "store"]

DAY = date(2026, 11, 1)
TENTH = ContractTerms(provider="openai", discounts=(Discount(percent=Decimal("10.5")),))


@pytest.fixture
def book(store: ControlStore) -> ContractBook:
    return ContractBook(store, b"s" * 32, FixedClock(1_793_145_600_000_000))


def test_versions_are_appended_and_the_last_recorded_holds_from_its_day_on(book: ContractBook) -> None:
    made = book.add("acme", DAY, TENTH, actor="ada")
    later = ContractTerms(provider="openai", until=date(2026, 12, 31))
    book.change(made.contract_id, date(2026, 12, 1), later, actor="ben", why="renewed")
    found = book.get("acme")
    assert [(one.number, one.since, one.recorded_by, one.why) for one in found.versions] == [
        (1, DAY, "ada", ""), (2, date(2026, 12, 1), "ben", "renewed")
    ]  # fmt: skip
    holding = [found.on(day) for day in (date(2026, 10, 31), DAY, date(2026, 12, 31), date(2027, 1, 1))]
    assert [one.number if one else None for one in holding] == [None, 1, 2, None]
    assert found.versions[0].terms == TENTH


def test_a_contract_that_cannot_be_is_named_and_nothing_is_kept(book: ContractBook) -> None:
    with pytest.raises(BadContract, match="provider"):
        book.add("acme", DAY, ContractTerms(provider=""), actor="ada")
    assert book.all() == []
    book.add("acme", DAY, TENTH, actor="ada")
    with pytest.raises(NameTaken):
        book.add("acme", DAY, TENTH, actor="ada")
    with pytest.raises(BadContract, match="covers the same charges"):
        book.add("other", DAY, TENTH, actor="ada")
    book.add("azure", DAY, ContractTerms(provider="azure"), actor="ada")
    with pytest.raises(UnknownContract):
        book.get("nobody")
    with pytest.raises(BadContract, match="since"):
        book.change("acme", date(1999, 1, 1), TENTH, actor="ada")


def test_upstreams_tell_two_contracts_with_one_vendor_apart(book: ContractBook) -> None:
    east = ContractTerms(provider="openai", upstreams=("east",))
    book.add("east", DAY, east, actor="ada")
    book.add("west", DAY, ContractTerms(provider="openai", upstreams=("west",)), actor="ada")
    with pytest.raises(BadContract, match="'east'"):
        book.add("all", DAY, TENTH, actor="ada")


def test_what_was_rated_and_who_owns_a_vendor_is_remembered(book: ContractBook) -> None:
    made = book.add("acme", DAY, TENTH, actor="ada")
    day = RatedDay("1:abc", Balances("2026-11", {"v": 10**20}, {"c": 5}, {}))
    book.note_rated(made.contract_id, {DAY: RatedDay("0:x", Balances())})
    book.note_rated(made.contract_id, {DAY: day})
    assert book.rated(made.contract_id) == {DAY: day}
    book.set_owner("openai", "Ada", actor="ada")
    book.set_owner("openai", " Ben ", actor="ada")
    assert book.owners() == {"openai": "Ben"}


def test_terms_are_kept_exactly(book: ContractBook, tmp_path: Path) -> None:
    credit = Credit(name="c", amount=Decimal("1234567.000000000001"), granted=DAY)
    made = book.add("acme", DAY, ContractTerms(provider="openai", credits=(credit,)), actor="ada")
    assert book.get(made.name).latest.terms.credits == (credit,)
