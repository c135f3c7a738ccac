"""Bills taken in, compared, decided and posted, over a real ledger and control store."""

import random
from datetime import date
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.finance.reconcile.conftest import NOW, SECRET
from tests.finance.reconcile.test_conservation import bill_lines

from bursar.bench.reconcile_cases import MAPPING
from bursar.domain.clock import FixedClock, us_from_datetime
from bursar.domain.errors import BadControl, UnknownControl
from bursar.finance.reconcile.book import InvoiceBook
from bursar.finance.reconcile.causes import Cause
from bursar.finance.reconcile.desk import summary_of
from bursar.governance.audit import audit_entries, first_broken_entry
from bursar.governance.schema import METADATA
from bursar.governance.schema_invoices import INVOICES
from bursar.governance.store import ControlStore
from bursar.ledger.verify import verify

OPENAI, ANTHROPIC, EURO = 0, 2, 11


def take(desk, case):
    for key, targets in case.terms.said.items():
        desk.names.set_key(case.terms.provider, key, targets, actor="ada")
    kind = ""
    if case.mapping is not None:
        kind = "small vendor"
        desk.names.set_mapping(kind, case.mapping, actor="ada")
    for number, data in enumerate(case.files):
        done = desk.take_file(data, f"bill-{number}", kind, actor="ada")
    if case.terms.rate is not None:
        desk.book.set_rate(done.invoices[0], case.terms.rate, actor="ada")
    return done.invoices[0]


def billed(ledger, provider):
    with ledger.reading() as session:
        found = session.query(
            "SELECT sum(billed_cost) FROM charges WHERE provider = $provider", {"provider": provider}
        ).only()
    return int(found.scaleb(12))


def test_a_bill_is_kept_by_month_and_compared(desk, cases):
    case = cases[OPENAI]
    look = desk.look(take(desk, case))
    assert (look.invoice.provider, look.invoice.month) == ("openai", "2026-01")
    assert {one.cause.value for one in look.found.variances} == {one.cause for one in case.traffic.planted}
    assert Decimal("0.5") < look.found.coverage < 1
    kept = summary_of(desk.book.one(look.invoice.invoice_id))
    assert (kept.billed, kept.ours, kept.open_count) == (look.found.billed, look.found.ours, len(look.open_ones))


def test_importing_twice_is_importing_once(desk, cases):
    case = cases[OPENAI]
    bill = take(desk, case)
    before = desk.look(bill).found
    again = desk.take_file(case.files[0], "again", "", actor="ada")
    assert (again.again, again.fresh, again.replaced) == (True, 0, 0)
    other = desk.take_file(case.files[0] + b"\n", "the same in another file", "", actor="ada")
    assert (other.again, other.fresh, other.replaced) == (False, 0, 0)
    assert desk.look(bill, fresh=True).found == before


def test_a_later_page_takes_the_place_of_a_provisional_one(desk, cases):
    case = cases[OPENAI]
    bill = take(desk, case)
    changed = case.files[0].replace(b'"amount": {"value": ', b'"amount": {"value": 9', 1)
    done = desk.take_file(changed, "later", "", actor="ada")
    assert (done.fresh, done.replaced) == (0, 1)
    lines = desk.book.lines(bill)
    assert len(lines) == len(case.lines())


def test_what_is_accepted_is_posted_once_and_the_books_then_say_what_the_bill_says(desk, cases, ledger, tmp_path):
    for at in (ANTHROPIC, OPENAI):
        case = cases[at]
        bill = take(desk, case)
        look = desk.look(bill)
        before = billed(ledger, case.terms.provider)
        wanted = [one for one in look.found.variances if one.cause is not Cause.TAX]
        for one in wanted:
            desk.decide(bill, one.variance_id, "accepted", actor="ada")
        assert desk.post_accepted() == len(wanted)
        money = sum(one.money for one in wanted)
        assert billed(ledger, case.terms.provider) == before + money
        assert desk.post_accepted() == 0
        after = desk.look(bill, fresh=True)
        assert after.found == look.found  # what is posted doesn't change what is compared
        assert after.open_ones == []
        assert after.posted == money
    assert [law for law in verify(ledger, tmp_path / "spool") if not law.ok] == []


def test_a_doubtful_charge_becomes_reconciled(desk, cases, ledger):
    bill = take(desk, cases[ANTHROPIC])
    one = next(one for one in desk.look(bill).found.variances if one.cause is Cause.ESTIMATED)
    desk.decide(bill, one.variance_id, "accepted", actor="ada")
    desk.post_accepted()
    with ledger.reading() as session:
        found = session.query(
            "SELECT count(*) FROM charges WHERE quality = 'reconciled' AND entry = 'correction'"
        ).only()
    assert found == 1


def test_posting_again_after_a_crash_is_posting_once(desk, cases, ledger):
    bill = take(desk, cases[OPENAI])
    one = next(one for one in desk.look(bill).found.variances if one.cause is Cause.MISSING)
    desk.decide(bill, one.variance_id, "accepted", actor="ada")
    desk.post_accepted()
    before = billed(ledger, "openai")
    with desk.book.store.writing() as connection:
        connection.exec_driver_sql("UPDATE invoice_acts SET posted_us = NULL")
    desk.post_accepted()
    assert billed(ledger, "openai") == before


def test_tax_is_not_posted_as_cost(desk, cases):
    bill = take(desk, cases[OPENAI])
    one = next(one for one in desk.look(bill).found.variances if one.cause is Cause.TAX)
    with pytest.raises(BadControl, match="tax isn't posted"):
        desk.decide(bill, one.variance_id, "accepted", actor="ada")


def test_what_is_ignored_waits_no_more_and_can_be_accepted_later(desk, cases):
    bill = take(desk, cases[OPENAI])
    one = desk.look(bill).open_ones[0]
    desk.decide(bill, one.variance_id, "ignored", "too small", actor="ada")
    assert one not in desk.look(bill).open_ones
    desk.decide(bill, one.variance_id, "accepted", actor="ada")
    with pytest.raises(BadControl, match="stays"):
        desk.decide(bill, one.variance_id, "ignored", actor="ada")


def test_days_that_are_not_final_cannot_be_accepted(desk, cases):
    bill = take(desk, cases[OPENAI])
    desk._clock = FixedClock(us_from_datetime(NOW.replace(year=2026, day=8)))
    look = desk.look(bill, fresh=True)
    late = [one for one in look.found.variances if one.is_provisional]
    assert late
    assert not any(one.is_provisional for one in look.open_ones)
    with pytest.raises(BadControl, match="may still change"):
        desk.decide(bill, next(one for one in late if one.cause is not Cause.TAX).variance_id, "accepted", actor="ada")


def test_a_bill_in_another_currency_needs_a_rate_and_says_so(desk, cases):
    case = cases[EURO]
    desk.names.set_mapping("small vendor", case.mapping, actor="ada")
    bill = desk.take_file(case.files[0], "bill", "small vendor", actor="ada").invoices[0]
    assert "EUR" in desk.look(bill).fault
    desk.book.set_rate(bill, Decimal("0.9"), actor="ada")
    assert desk.look(bill).fault == ""


def test_a_typed_total_without_lines_is_compared_as_a_whole(desk, cases):
    ours = sum(one.femto for one in cases[OPENAI].traffic.ours) // 1000
    total = Decimal(ours).scaleb(-12) + Decimal(5)
    done = desk.take_total(
        "openai", date(2026, 1, 1), date(2026, 1, 31), total, Decimal(18), "USD", actor="ada"
    )  # fmt: skip
    found = desk.look(done.invoices[0]).found
    assert {one.cause.value: one.money for one in found.variances} == {"tax": 18 * 10**12, "unexplained": 5 * 10**12}


@pytest.mark.parametrize("data", [b"", b"{}", b"a,b\n1,2\n"])
def test_what_cannot_be_read_leaves_nothing_behind(desk, data):
    with pytest.raises(BadControl, match="file"):
        desk.take_file(data, "x", "", actor="ada")
    assert desk.book.all() == []


def test_a_mapping_that_is_not_there_is_said(desk):
    with pytest.raises(UnknownControl, match="no mapping"):
        desk.take_file(b"a,b\n1,2\n", "x", "nobody's", actor="ada")
    with pytest.raises(BadControl, match="format of its own"):
        desk.names.set_mapping("openai", MAPPING, actor="ada")


def test_everything_is_in_the_audit_log(desk, cases):
    bill = take(desk, cases[OPENAI])
    desk.decide(bill, desk.look(bill).open_ones[0].variance_id, "ignored", actor="ada")
    with desk.book.store.reading() as connection:
        entries = audit_entries(connection)
    assert [one.action for one in entries] == ["invoice.import", "invoice.ignored"]
    assert first_broken_entry(entries, SECRET) is None


@settings(max_examples=12, deadline=None)
@given(lines=st.lists(bill_lines(), min_size=1, max_size=12), seed=st.integers(0, 99))
def test_the_same_lines_in_any_order_and_file_come_in_once(tmp_path_factory, lines, seed):
    store = ControlStore(tmp_path_factory.mktemp("bills") / "control.sqlite")
    book = InvoiceBook(store, SECRET, FixedClock(1))
    first = book.add(b"one", "one", "typed", lines, [], actor="ada")
    shuffled = random.Random(seed).sample(lines, len(lines))
    second = book.add(b"two", "two", "typed", shuffled, [], actor="ada")
    assert (first.fresh, first.replaced) == (len(lines), 0)
    assert (second.fresh, second.replaced, second.known) == (0, 0, len(lines))
    kept = [line for bill in first.invoices for line in book.lines(bill)]
    assert sorted(kept, key=lambda one: one.content) == sorted(lines, key=lambda one: one.content)


def test_the_migration_makes_the_tables_that_the_code_names(tmp_path):
    store = ControlStore(tmp_path / "control.sqlite")
    assert INVOICES.metadata is METADATA
    with store.reading() as connection:
        for name in ("invoices", "invoice_files", "invoice_lines", "invoice_acts", "bill_keys", "bill_mappings"):
            found = [row[1] for row in connection.exec_driver_sql(f"PRAGMA table_info({name})")]
            assert found == [column.name for column in METADATA.tables[name].columns]


def test_a_kept_result_can_be_read_without_the_ledger(desk, cases):
    bill = take(desk, cases[OPENAI])
    desk.look(bill)
    told = msgspec.json.decode(desk.book.one(bill).result)
    assert set(told["causes"]) <= {cause.value for cause in Cause}
