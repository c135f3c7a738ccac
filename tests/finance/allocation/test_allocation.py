"""Allocation: every pico of the ledger and of flat costs is borne by somebody, or stands in sight as not allocated."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.finance.books.made import SECRET, World

from bursar.domain.errors import BadControl, UnknownControl
from bursar.finance.allocation.book import AllocationBook
from bursar.finance.allocation.rules import RuleTerms, RuleVersion, check_terms, in_force
from bursar.finance.books.entries import out_of_balance
from bursar.finance.fx.rates import RateRow, Rates
from bursar.governance.store import ControlStore
from bursar.ledger.duckdb import open_ledger

JAN = date(2026, 1, 1)
MONTH = "2026-10"


class Splits:
    """A world with its allocation."""

    def __init__(self, world: World, store: ControlStore, rates: Rates) -> None:
        self.world = world
        self.book = AllocationBook(store, SECRET, world.ledger, world.clock, world.close, lambda _at_us: rates)

    def rule(self, name: str, **terms) -> None:
        self.book.set(name, RuleTerms(**{"start": JAN, **terms}), actor="ada")

    def shares(self, by: str = "team") -> dict[str, str]:
        found = self.book.allocation(MONTH, by)
        assert sum(one.total_pico for one in found.shares) + found.nobody_pico + found.left_pico == found.total_pico
        return {one.recipient: str(Decimal(one.total_pico).scaleb(-12).normalize()) for one in found.shares}


@pytest.fixture
def splits(tmp_path, store):
    ledger = open_ledger(tmp_path / "ledger.duckdb", threads=1)
    world = World(ledger, store)
    world.at("2026-11-01T00:00")
    world.post("2026-10-02T09:00", "6", team="web")
    world.post("2026-10-03T09:00", "3", team="data", feature="reports")
    world.post("2026-10-04T09:00", "1", team="", feature="chat")
    world.post("2026-10-05T09:00", "2", team="platform", feature="gateway")
    yield Splits(world, store, Rates([RateRow(date(2026, 10, 30), "USD", "INR", Decimal(80), "books", "FBIL")]))
    ledger.close()


def test_without_rules_everybody_bears_what_names_them(splits):
    assert splits.shares() == {"web": "6", "data": "3", "platform": "2"}
    assert splits.book.allocation(MONTH, "team").nobody_pico == 10**12


def test_untagged_cost_is_split_in_proportion_to_direct_cost(splits):
    splits.rule("untagged", kind="split", where=["team="], among=["web", "data"])
    assert splits.shares() == {"web": "6.666666666667", "data": "3.333333333333", "platform": "2"}


def test_a_shared_teams_cost_is_split_evenly_and_it_bears_nothing_itself(splits):
    splits.rule("platform", kind="split", where=["team=platform"], method="even", among=["web", "data"])
    assert splits.shares() == {"web": "7", "data": "4"}


def test_fixed_shares_and_given_numbers(splits):
    splits.rule("platform", kind="split", where=["team=platform"], method="fixed", shares={"web": "75", "sales": "25"})
    splits.rule("seats", kind="flat", amount="90", method="driver", driver="given", shares={"web": "2", "sales": "7"})
    assert splits.shares() == {"sales": "70.5", "web": "27.5", "data": "3"}


def test_a_measure_can_be_the_driver(splits):
    splits.world.post("2026-10-06T09:00", "0", team="web")
    splits.rule("seats", kind="flat", amount="30", method="driver", driver="attempts", among=["web", "data"])
    assert splits.shares() == {"web": "26", "data": "13", "platform": "2"}


def test_tags_given_afterwards_are_a_view_from_a_day_on(splits):
    splits.rule("chat", kind="tag", where=["feature=chat"], tags={"team": "web"})
    assert splits.shares() == {"web": "7", "data": "3", "platform": "2"}
    splits.rule("chat", kind="tag", where=["feature=chat"], tags={"team": "web"}, start=date(2026, 10, 5))
    splits.book.end("chat", JAN, actor="ada")
    assert splits.shares() == {"web": "6", "data": "3", "platform": "2"}
    with splits.world.ledger.reading() as session:
        assert session.query("SELECT count(*) FROM charges WHERE team = ''").only() == 1


def test_a_tag_that_begins_later_leaves_earlier_days(splits):
    splits.rule("chat", kind="tag", where=["feature=chat"], tags={"team": "web"}, start=date(2026, 10, 5))
    assert splits.book.allocation(MONTH, "team").nobody_pico == 10**12


def test_a_flat_cost_is_prorated_and_converted_and_unknown_without_a_rate(splits):
    splits.rule("ptu", kind="flat", amount="3100", method="even", among=["web"], start=date(2026, 10, 22))
    assert splits.shares()["web"] == str(Decimal(1006))  # 10 of 31 days
    splits.rule("ptu", kind="flat", amount="8000", currency="INR", method="even", among=["web"], start=JAN)
    assert splits.shares()["web"] == str(Decimal(106))
    splits.rule("ptu", kind="flat", amount="8000", currency="CHF", method="even", among=["web"], start=JAN)
    (pool,) = splits.book.allocation(MONTH, "team").pools
    assert (pool.pico, pool.why) == (None, "no exchange rate is known")


def test_what_cannot_be_split_stays_in_sight(splits):
    splits.rule("seats", kind="flat", amount="30", by="customer")
    found = splits.book.allocation(MONTH, "customer")
    assert (found.left_pico, found.nobody_pico) == (30 * 10**12, 12 * 10**12)
    assert found.pools[0].why.startswith("nothing to split by")


def test_a_closed_month_keeps_the_rules_of_its_close(splits):
    splits.rule("untagged", kind="split", where=["team="], among=["web", "data"])
    splits.world.at("2026-11-02T00:00")
    splits.world.close.close(MONTH, by="Ada", note="looked", accepted=True)
    before = splits.shares()
    splits.world.at("2026-11-03T00:00")
    for late in (JAN, date(2026, 10, 31)):
        with pytest.raises(BadControl, match="write 2026-11-01 or later"):
            splits.rule("untagged", kind="split", where=["team="], method="even", among=["sales"], start=late)
        with pytest.raises(BadControl, match="write 2026-11-01 or later"):
            splits.book.end("untagged", late, actor="ada")
    assert [one.version for one in splits.book.rules()] == [1]
    splits.rule("untagged", kind="split", where=["team="], method="even", among=["sales"], start=date(2026, 11, 1))
    splits.world.post("2026-10-20T00:00", "100", team="sales")
    assert splits.shares() == before
    assert splits.book.first_open() == date(2026, 11, 1)


def test_a_chargeback_is_a_transfer_and_posting_again_posts_the_difference(splits):
    splits.rule("untagged", kind="split", where=["team="], among=["web", "data"])
    (first,) = splits.book.charge_back(MONTH, "team", actor="ada")
    assert out_of_balance(first.postings) == {}
    assert {one.account: one.amount for one in first.postings}["Expenses:Charged-Out"] == Decimal(-12)
    assert splits.book.charge_back(MONTH, "team", actor="ada") == []
    splits.world.post("2026-10-20T00:00", "5", team="sales")
    (second,) = splits.book.charge_back(MONTH, "team", actor="ada")
    assert {one.account: one.amount for one in second.postings} == {
        "Expenses:Charged:Sales": Decimal(5), "Expenses:Charged-Out": Decimal(-5),
    }  # fmt: skip
    assert splits.world.close.books(MONTH).totals.entries == 2


def test_a_statement_opens_what_one_team_bears(splits):
    splits.rule("platform", kind="split", where=["team=platform"], method="even", among=["web", "data"])
    found = splits.book.statement(MONTH, "team", "web")
    assert (found.share.direct_pico, found.share.parts) == (6 * 10**12, {"platform": 10**12})
    assert sum(one.cost_pico for one in found.features) == sum(one.cost_pico for one in found.models) == 6 * 10**12
    with pytest.raises(UnknownControl):
        splits.book.statement(MONTH, "team", "nobody")


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        ({"kind": "split"}, "where"),
        ({"kind": "split", "where": ["team="], "by": "planet"}, "by"),
        ({"kind": "split", "where": ["team="], "method": "fixed", "shares": {"a": "99"}}, "shares"),
        ({"kind": "split", "where": ["team="], "method": "driver", "driver": "luck"}, "driver"),
        ({"kind": "split", "where": ["team="], "method": "driver", "driver": "given"}, "shares"),
        ({"kind": "split", "where": ["team="], "amount": "1"}, "amount"),
        ({"kind": "flat", "amount": "much"}, "amount"),
        ({"kind": "flat", "amount": "1", "currency": "usd"}, "currency"),
        ({"kind": "tag", "where": ["feature=x"]}, "tags"),
        ({"kind": "tag", "where": ["feature=x"], "tags": {"model": "x"}}, "tags"),
        ({"kind": "split", "where": ["team="], "end": date(2025, 1, 1)}, "end"),
    ],
)
def test_a_rule_that_cannot_be_names_its_field(terms, field):
    with pytest.raises(BadControl) as caught:
        check_terms(RuleTerms(start=JAN, **terms))
    assert caught.value.field == field


def test_a_version_holds_from_its_day_until_the_next():
    def version(number: int, start: date, end: date | None = None) -> RuleVersion:
        terms = RuleTerms(kind="flat", start=start, end=end, amount=str(number))
        return RuleVersion(number, "seats", number, terms, start, 0, "ada")

    rows = [version(1, JAN), version(2, date(2026, 10, 11), date(2026, 10, 20))]
    found = in_force(rows, date(2026, 10, 1), date(2026, 11, 1))
    assert [(one.version.number, one.first.day, one.last.day) for one in found] == [(1, 1, 10), (2, 11, 20)]


NAMES = st.sampled_from(("web", "data", "", "ops"))
AMOUNTS = st.integers(0, 10**15).map(lambda pico: str(Decimal(pico).scaleb(-12)))
WHERE = st.sampled_from((["team="], ["team=ops"], ["feature=chat"]))
MADE = st.one_of(
    st.builds(dict, kind=st.just("split"), where=WHERE, method=st.sampled_from(("even", "proportional"))),
    st.builds(dict, kind=st.just("split"), where=WHERE, method=st.just("driver"), driver=st.just("attempts")),
    st.builds(dict, kind=st.just("flat"), amount=AMOUNTS, start=st.dates(date(2026, 9, 20), date(2026, 11, 5))),
)
FIXED = {"kind": "split", "where": ["team!=web"], "method": "fixed", "shares": {"web": "33.3", "x": "66.7"}}
TAG = {"kind": "tag", "where": ["feature=chat"], "tags": {"team": "web"}}
RULE = st.one_of(MADE, st.just(FIXED), st.just(TAG))
CHARGE = st.tuples(st.integers(1, 31), st.integers(-(10**14), 10**15), NAMES, st.sampled_from(("chat", "search", "")))


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(charges=st.lists(CHARGE, max_size=6), rules=st.lists(RULE, max_size=4))
def test_whatever_the_rules_the_shares_are_the_ledger_and_the_flat_costs(charges, rules):
    with TemporaryDirectory() as name:
        ledger = open_ledger(Path(name) / "ledger.duckdb", threads=1)
        store = ControlStore(Path(name) / "control.sqlite")
        made = Splits(World(ledger, store), store, Rates([]))
        made.world.at("2026-11-01T00:00")
        for day, pico, team, feature in charges:
            made.world.post(f"2026-10-{day:02d}T12:00", str(Decimal(pico).scaleb(-12)), team=team, feature=feature)
        for at, terms in enumerate(rules):
            made.rule(f"rule {at}", **terms)
        for by in ("team", "customer", "feature"):
            made.shares(by)
            found = made.book.allocation(MONTH, by)
            with ledger.reading() as session:
                whole = session.query("SELECT coalesce(SUM(effective_cost), 0) FROM charges").only()
            assert found.ledger_pico == int(whole.scaleb(12))
            for entry in made.book.charge_back(MONTH, by, actor="ada"):
                assert out_of_balance(entry.postings) == {}
        ledger.close()
