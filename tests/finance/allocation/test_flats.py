"""Flat costs in the books: posted once, with every pico of the split, and never into a closed month."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.finance.allocation.test_allocation import AMOUNTS, JAN, MONTH, Splits
from tests.finance.books.made import World

from bursar.domain.errors import BadControl, UnknownControl
from bursar.domain.money import pico_from_usd
from bursar.finance.allocation.flats import FlatBook
from bursar.finance.books.entries import out_of_balance
from bursar.finance.fx.rates import RateRow, Rates
from bursar.governance.store import ControlStore
from bursar.ledger.duckdb import open_ledger


class Flats(Splits):
    """A world whose close asks for flat costs."""

    def __init__(self, world: World, store: ControlStore, rates: Rates) -> None:
        super().__init__(world, store, rates)
        self.flats = FlatBook(self.book, world.close, world.clock)
        world.flats = self.flats.open

    def booked(self, month: str = MONTH) -> dict[str, str]:
        """Of accounts of flat costs and what is owed for them: the balance of a month."""
        found = self.world.close.books(month).balances
        return {
            one.account: f"{one.balance.normalize():f}"
            for one in found
            if one.account.startswith(("Expenses:AI:Flat", "Liabilities:Accrued:Seats"))
        }

    def check(self) -> str:
        (found,) = [one for one in self.world.close.checks(MONTH) if one.code == "flat"]
        return found.text


@pytest.fixture
def made(tmp_path, store):
    ledger = open_ledger(tmp_path / "ledger.duckdb", threads=1)
    world = World(ledger, store)
    world.at("2026-11-01T00:00")
    world.post("2026-10-02T09:00", "2", team="web")
    world.post("2026-10-03T09:00", "1", team="data")
    yield Flats(world, store, Rates([RateRow(date(2026, 10, 30), "USD", "INR", Decimal(80), "books", "FBIL")]))
    ledger.close()


def test_a_flat_cost_is_to_look_at_until_it_is_booked_once(made):
    assert made.check() == ""
    made.rule("seats", kind="flat", amount="100")
    assert made.check().startswith("not booked: seats (by team), 100.00 USD")
    (entry,) = made.flats.post(MONTH, by="Ada")
    assert (entry.key, entry.posted_by, entry.day) == ("flat:2026-10:team:1:seats", "Ada", date(2026, 10, 31))
    assert made.booked() == {
        "Expenses:AI:Flat:Seats:Web:Untagged": "66.666666666667",
        "Expenses:AI:Flat:Seats:Data:Untagged": "33.333333333333",
        "Liabilities:Accrued:Seats": "-100",
    }  # fmt: skip
    assert made.check() == ""
    assert made.flats.post(MONTH, ["seats"], by="Ada") == []


def test_what_came_since_is_posted_as_a_difference_and_what_was_undone_is_proposed_again(made):
    made.rule("seats", kind="flat", amount="90")
    made.flats.post(MONTH, by="Ada")
    made.world.post("2026-10-04T09:00", "1", team="web")
    assert "split otherwise by now" in made.check()
    (second,) = made.flats.post(MONTH, by="Ada")
    assert [one.amount for one in second.postings] == [Decimal("-7.5"), Decimal("7.5"), Decimal(0)]
    made.world.close.journal.reverse(second.key, day=date(2026, 10, 31), actor="Ada")
    made.world.close.journal.reverse("flat:2026-10:team:1:seats", day=date(2026, 10, 31), actor="Ada")
    assert "90.00 USD" in made.check()
    (third,) = made.flats.post(MONTH, by="Ada")
    assert third.key == "flat:2026-10:team:5:seats"
    assert made.booked()["Liabilities:Accrued:Seats"] == "-90"


def test_a_rule_that_holds_no_more_gives_back_what_was_booked(made):
    made.rule("seats", kind="flat", amount="90")
    made.flats.post(MONTH, by="Ada")
    made.book.end("seats", JAN, actor="ada")
    assert "-90.00 USD" in made.check()
    made.flats.post(MONTH, by="Ada")
    assert set(made.booked().values()) == {"0"}


def test_a_closed_month_is_never_touched_and_what_is_late_is_of_the_open_one(made):
    made.rule("seats", kind="flat", amount="100")
    made.world.at("2026-11-02T00:00")
    made.world.close.close(MONTH, by="Ada", note="the flat cost comes later", accepted=True)
    before = {name: made.world.close.export(MONTH, name) for name in ("journal.csv", "books.json")}
    made.world.at("2026-11-05T00:00")
    made.flats.post(MONTH, by="Ada")
    assert made.flats.open(MONTH) == []
    assert all(one.is_same for one in made.world.close.prove(MONTH))
    assert {name: made.world.close.export(MONTH, name) for name in before} == before
    assert made.booked("2026-11")["Liabilities:Accrued:Seats"] == "-100"
    assert [one.belongs for one in made.world.close.books("2026-11").prior] == [MONTH]


def test_what_is_unknown_running_or_perhaps_one_cost_isnt_booked(made):
    made.rule("ptu", kind="flat", amount="8000", currency="CHF", method="even")
    assert "ptu (by team), unknown" in made.check()
    assert made.flats.post(MONTH, by="Ada") == []
    with pytest.raises(BadControl, match="add the rate first"):
        made.flats.post(MONTH, ["ptu"], by="Ada")
    with pytest.raises(BadControl, match="isn't over"):
        made.flats.post("2026-11", by="Ada")
    with pytest.raises(UnknownControl):
        made.flats.post(MONTH, ["seats"], by="Ada")
    with pytest.raises(BadControl, match="the person"):
        made.flats.post(MONTH, by="console")
    made.rule("seats", kind="flat", amount="100")
    made.rule("seats, customers", kind="flat", amount="100", by="customer")
    with pytest.raises(BadControl, match="booked twice"):
        made.flats.post(MONTH, by="Ada")
    assert len(made.flats.post(MONTH, ["seats"], by="Ada")) == 1
    assert "seats, customers (by customer), 100.00 USD" in made.check()


def test_rupees_are_booked_in_usd_at_the_rate_of_the_books(made):
    made.rule("seats", kind="flat", amount="8000", currency="INR", method="fixed", shares={"web": "50", "x": "50"})
    made.flats.post(MONTH, by="Ada")
    assert made.booked()["Liabilities:Accrued:Seats"] == "-100"


RULES = st.lists(
    st.builds(
        dict, kind=st.just("flat"), amount=AMOUNTS, by=st.sampled_from(("team", "customer", "feature")),
        method=st.sampled_from(("even", "proportional")), start=st.dates(date(2026, 9, 20), date(2026, 11, 5)),
    ),
    max_size=3,
)  # fmt: skip
CHARGES = st.lists(st.tuples(st.integers(0, 10**14), st.sampled_from(("web", "data", ""))), max_size=4)


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(before=CHARGES, rules=RULES, after=CHARGES, is_closed=st.booleans())
def test_whatever_comes_when_every_pico_is_booked_once(before, rules, after, is_closed):
    with TemporaryDirectory() as name:
        ledger = open_ledger(Path(name) / "ledger.duckdb", threads=1)
        store = ControlStore(Path(name) / "control.sqlite")
        made = Flats(World(ledger, store), store, Rates([]))
        made.world.at("2026-11-01T00:00")
        names = [f"rule: {at}%" for at in range(len(rules))]
        for rule, terms in zip(names, rules, strict=True):
            made.rule(rule, **terms)
        for at, charges in enumerate((before, after)):
            for pico, team in charges:
                made.world.post("2026-10-05T12:00", str(Decimal(pico).scaleb(-12)), team=team)
            if at and is_closed:
                made.world.close.close(MONTH, by="Ada", note="x", accepted=True)
            held = [one.rule for one in made.flats.proposals(MONTH)]
            entries = made.flats.post(MONTH, held, by="Ada") if held else []
            assert all(out_of_balance(entry.postings) == {} for entry in entries)
            assert made.flats.open(MONTH) == []
            assert (made.flats.post(MONTH, held, by="Ada") if held else []) == []
        flat = sum(made.book.allocation(MONTH, by).flat_pico for by in ("team", "customer", "feature"))
        owed = [entry.postings[-1].amount for entry in made.world.close.journal.all()]
        assert sum(map(pico_from_usd, owed)) == -flat
        proved = made.world.close.prove(MONTH) if is_closed else []
        assert all(one.is_same for one in proved)
        ledger.close()
