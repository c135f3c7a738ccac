"""The close: a closed month never changes, byte for byte, whatever is posted afterwards."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.finance.books.made import World, us

from bursar.domain.errors import BadControl, ChangedMeanwhile, UnknownControl
from bursar.finance.books.booked import month_sums
from bursar.finance.books.chart import Chart
from bursar.finance.books.close import EXPORTS
from bursar.finance.books.entries import Posting, out_of_balance
from bursar.finance.books.journal import NewEntry
from bursar.finance.books.monthly import until_of
from bursar.governance.audit import audit_entries
from bursar.governance.store import ControlStore
from bursar.ledger.duckdb import open_ledger


def october(world: World) -> None:
    """Two days of October, with a discount, a prepaid part and something unpriced."""
    world.at("2026-10-02T08:00")
    world.post("2026-10-01T09:00", "1.000000000001")
    world.post("2026-10-01T10:00", "2", costs=("1.5", "1.25", "1"), team="data", feature="")
    world.at("2026-10-31T23:59")
    world.post("2026-10-31T23:58", "0.5", provider="anthropic")
    world.post("2026-10-31T23:58", None, provider="anthropic", quality="unpriced")
    world.at("2026-11-03T10:00")


def test_a_closed_months_files_stay_and_what_is_late_is_booked_in_the_open_month(world):
    october(world)
    closed = world.close.close("2026-10", by="Ada Lovelace", note="unpriced is a preview model", accepted=True)
    assert (closed.closing.closed_by, closed.totals["billed_cost"]) == ("Ada Lovelace", "2.500000000001")
    before = {name: world.close.export("2026-10", name) for name in EXPORTS}
    world.at("2026-11-04T09:00")
    world.post("2026-10-15T12:00", "7")
    assert {name: world.close.export("2026-10", name) for name in EXPORTS} == before
    assert all(proof.is_same for proof in world.close.prove("2026-10"))
    november = world.close.books("2026-11")
    assert november.totals.prior_billed == Decimal(7)
    (late,) = november.prior
    assert (late.day, late.belongs, late.text) == (
        date(2026, 11, 4),
        "2026-10",
        "openai, usage of 2026-10, posted later",
    )


def test_what_is_late_for_a_month_that_is_open_stays_in_it(world):
    october(world)
    world.post("2026-10-15T12:00", "7")
    assert world.close.books("2026-10").totals.billed_cost == Decimal("9.500000000001")
    assert world.close.books("2026-11").transactions == []


def test_a_month_is_closed_by_a_person_once_and_never_opened_again(world, store):
    october(world)
    for nobody in ("", "console", "  "):
        with pytest.raises(BadControl, match="name of the person"):
            world.close.close("2026-10", by=nobody, note="x", accepted=True)
    with pytest.raises(BadControl, match="accept them, and say why"):
        world.close.close("2026-10", by="Ada")
    world.close.close("2026-10", by="Ada", note="looked", accepted=True)
    with pytest.raises(ChangedMeanwhile, match="closed already"):
        world.close.close("2026-10", by="Bob", note="again", accepted=True)
    with store.reading() as connection:
        (entry,) = [one for one in audit_entries(connection) if one.action == "month.close"]
    assert (entry.actor, entry.subject) == ("Ada", "2026-10")


def test_a_month_that_is_not_over_cannot_be_closed(world):
    october(world)
    with pytest.raises(BadControl, match="the month is over"):
        world.close.close("2026-11", by="Ada", note="x", accepted=True)


def test_what_waited_while_the_month_was_closed_is_posted_after_it(world):
    october(world)
    world.close.close("2026-10", by="Ada", note="looked", accepted=True)
    world.at("2026-11-02T00:00")  # read before the close, by a batch that had to wait
    world.post("2026-10-15T12:00", "7")
    assert all(proof.is_same for proof in world.close.prove("2026-10"))
    assert world.close.books("2026-11").totals.prior_billed == Decimal(7)


def test_the_checklist_says_what_is_open(world):
    october(world)
    states = {one.code: one.state for one in world.close.checks("2026-10")}
    assert states == {
        "over": "ok", "loaded": "ok", "in_flight": "ok", "earlier": "ok", "unpriced": "look", "assumed": "ok",
        "estimated": "ok", "reconciled": "look", "flat": "ok", "days": "look", "untagged": "ok",
    }  # fmt: skip
    assert {one.code: one.state for one in world.close.checks("2026-11")}["over"] == "blocks"


def test_discounts_commitments_and_credits_stand_against_the_expense_exactly(world):
    october(world)
    balances = {one.account: one.balance for one in world.close.books("2026-10").balances}
    assert balances == {
        "Expenses:AI:Openai:Web:Search": Decimal("1.000000000001"),
        "Expenses:AI:Openai:Data:Untagged": Decimal(2),
        "Expenses:AI:Anthropic:Web:Search": Decimal("0.5"),
        "Expenses:Contra:Discounts:Openai": Decimal("-0.5"),
        "Expenses:Contra:Commitments:Openai": Decimal("-0.25"),
        "Assets:Prepaid:Openai": Decimal("-0.25"),
        "Liabilities:Accrued:Openai": Decimal("-2.000000000001"),
        "Liabilities:Accrued:Anthropic": Decimal("-0.5"),
    }


def test_another_chart_holds_for_open_months_and_a_closed_one_keeps_its_own(world):
    october(world)
    world.close.close("2026-10", by="Ada", note="looked", accepted=True)
    world.close.set_chart(Chart(expense="Expenses:Cost-Of-Revenue:{provider}"), actor="ada")
    world.post("2026-11-02T12:00", "3")
    accounts = [one.account for one in world.close.books("2026-11").balances]
    assert accounts == ["Expenses:Cost-Of-Revenue:Openai", "Liabilities:Accrued:Openai"]
    assert all(proof.is_same for proof in world.close.prove("2026-10"))


def test_an_entry_of_the_journal_is_posted_once_balances_and_follows_the_same_rule(world):
    october(world)
    bought = [Posting("Assets:Prepaid:Openai", Decimal(100)), Posting("Assets:Bank", Decimal(-100))]
    entry = NewEntry("credits-1", date(2026, 10, 20), "Credits bought", bought)
    assert len(world.close.journal.post([entry], actor="ada")) == 1
    assert world.close.journal.post([entry], actor="ada") == []
    world.close.close("2026-10", by="Ada", note="looked", accepted=True)
    late = NewEntry("credits-2", date(2026, 10, 21), "Credits bought", bought)
    world.close.journal.post([late], actor="ada")
    assert world.close.books("2026-10").totals.entries == 1
    assert [one.belongs for one in world.close.books("2026-11").prior] == ["2026-10"]
    with pytest.raises(BadControl, match=r"differ by 0\.000000000001 USD"):
        world.close.journal.post(
            [NewEntry("x", date(2026, 11, 1), "x", [bought[0], Posting("Assets:Bank", Decimal("-99.999999999999"))])],
            actor="ada",
        )


def test_a_file_that_there_is_not_is_named(world):
    with pytest.raises(UnknownControl, match=r"journal\.beancount"):
        world.close.export("2026-10", "journal.pdf")


MONTHS = ("2026-08", "2026-09", "2026-10")
AFTER = {"2026-08": "2026-09-04", "2026-09": "2026-10-05", "2026-10": "2026-11-03"}
PICO = st.integers(-(10**15), 10**15).map(lambda pico: str(Decimal(pico).scaleb(-12)))
CHARGE = st.tuples(
    st.sampled_from(MONTHS), st.integers(1, 28), st.integers(0, 23), PICO, PICO, PICO, PICO,
    st.sampled_from(("openai", "anthropic", "")), st.sampled_from(("search", "chat bot", "", "検索")),
)  # fmt: skip
STEP = st.one_of(CHARGE, st.just("close"))


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(steps=st.lists(STEP, min_size=4, max_size=14))
def test_closed_files_never_change_and_booked_months_add_up_to_the_ledger(steps):
    with TemporaryDirectory() as name:
        ledger = open_ledger(Path(name) / "ledger.duckdb", threads=1)
        world = World(ledger, ControlStore(Path(name) / "control.sqlite"))
        world.at("2026-08-28T00:00")
        kept: dict[str, dict[str, bytes]] = {}
        for step in steps:
            if step == "close":
                open_ones = [month for month in MONTHS if month not in kept]
                if not open_ones:
                    continue
                month = open_ones[0]
                world.clock.at_us = max(world.clock.at_us, us(f"{AFTER[month]}T00:00"))
                world.close.close(month, by="Ada", note="looked", accepted=True)
                kept[month] = {file: world.close.export(month, file) for file in EXPORTS}
                continue
            month, day, hour, lists, contracted, effective, billed, provider, feature = step
            world.clock.at_us += 60_000_000
            world.post(f"{month}-{day:02d}T{hour:02d}:00", lists, costs=(contracted, effective, billed),
                       provider=provider, feature=feature)  # fmt: skip
        for month, files in kept.items():
            books = world.close.books(month)
            assert {file: make(books) for file, (_, make) in EXPORTS.items()} == files
        with ledger.reading() as session:
            whole = session.query("SELECT coalesce(SUM(list_cost), 0), coalesce(SUM(billed_cost), 0) FROM charges").rows
            sums = month_sums(session, until_of(world.close.closings()))
        booked = [world.close.books(one.month) for one in sums]
        assert (sum(one.list_cost for one in sums), sum(one.billed_cost for one in sums)) == whole[0]
        assert sum(one.totals.list_cost for one in booked) == whole[0][0]
        assert sum(one.totals.billed_cost for one in booked) == whole[0][1]
        for one in booked:
            for transaction in one.transactions:
                assert out_of_balance(transaction.postings) == {}
            assert sum(balance.debit for balance in one.balances) == sum(balance.credit for balance in one.balances)
        ledger.close()


@pytest.mark.parametrize("timezone", ["Asia/Kolkata", "America/New_York", "Pacific/Kiritimati", "UTC"])
def test_months_in_a_zone_tie_to_months_in_utc_by_the_hours_between(world, timezone):
    for at, sent in enumerate(
        ("09-30T13:00", "09-30T20:00", "10-01T01:00", "10-31T17:59", "10-31T23:59", "11-01T02:00")
    ):
        world.post(f"2026-{sent}", str(Decimal(10) ** at / 10**6))
    ties = [world.close.tie(month, timezone) for month in ("2026-09", "2026-10", "2026-11")]
    for tie in ties:
        assert tie.explored == tie.zoned + tie.utc_only - tie.zone_only
        assert tie.booked == tie.explored
    assert sum(tie.zoned for tie in ties) == sum(tie.explored for tie in ties) == Decimal("0.111111")
    if timezone == "Asia/Kolkata":  # 18:30 in UTC is midnight there
        assert (ties[1].utc_only, ties[1].zone_only) == (Decimal("0.01"), Decimal("0.00001"))


def test_a_month_ties_to_explore_over_what_both_see_otherwise(world):
    october(world)
    world.close.close("2026-10", by="Ada", note="looked", accepted=True)
    world.post("2026-10-15T12:00", "7")
    with world.ledger.writing() as session:  # its call had waited over midnight
        session.run("UPDATE charges SET received_at = received_at - INTERVAL 1 DAY WHERE list_cost = 1.000000000001")
    tie = world.close.tie("2026-10")
    assert (tie.explored, tie.late_elsewhere, tie.sent_here) == (
        Decimal("8.75"), Decimal(7), Decimal("1.000000000001"),
    )  # fmt: skip
    for month in ("2026-09", "2026-10", "2026-11"):
        tie = world.close.tie(month)
        moved = tie.sent_here - tie.sent_elsewhere + tie.late_here - tie.late_elsewhere
        assert tie.booked == tie.explored + moved == world.close.books(month).totals.effective_cost
