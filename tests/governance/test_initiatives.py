"""Initiatives are kept and audited; what was booked of a month is never changed, a difference is another entry."""

from datetime import date
from decimal import Decimal

import msgspec
import pytest

from bursar.domain.clock import FixedClock
from bursar.domain.errors import BadControl, NameTaken, UnknownControl
from bursar.domain.initiatives import Guard, InitiativeTerms
from bursar.governance.audit import audit_entries, first_broken_entry
from bursar.governance.initiatives import Finding, InitiativeBook
from bursar.governance.store import ControlStore

SECRET = bytes(range(32))
CLOCK = FixedClock(1_790_000_000_000_000)  # 2026-09-21
TERMS = InitiativeTerms(
    owner="ada", target=Decimal(500), baseline_from=date(2026, 8, 1), baseline_to=date(2026, 8, 31),
    filters=("feature=checkout",),
)  # fmt: skip


@pytest.fixture
def book(store: ControlStore) -> InitiativeBook:
    return InitiativeBook(store, SECRET, CLOCK, lambda _: None)


def test_one_is_planned_started_done_stopped_and_removed_and_each_step_is_audited(store, book):
    made = book.create(" Shorter prompts ", TERMS, actor="ada")
    assert (made.name, made.status, made.is_measured) == ("Shorter prompts", "planned", False)
    running = book.start("Shorter prompts", date(2026, 9, 1), actor="ada")
    assert (running.status, running.terms.start, running.is_measured) == ("running", date(2026, 9, 1), True)
    assert book.finish(made.initiative_id, actor="bob").status == "done"
    stopped = book.stop("Shorter prompts", actor="bob")
    assert (stopped.status, stopped.ended) == ("stopped", date(2026, 9, 21))
    again = book.start("Shorter prompts", actor="bob")
    assert (again.status, again.ended, again.terms.start) == ("running", None, date(2026, 9, 1))
    assert book.start("Shorter prompts", actor="bob") == again  # so already: not written
    book.remove("Shorter prompts", actor="bob")
    assert book.all() == []
    with store.reading() as connection:
        entries = audit_entries(connection)
    assert [entry.action for entry in entries] == [
        "initiative.create", "initiative.running", "initiative.done", "initiative.stopped", "initiative.running",
        "initiative.remove",
    ]  # fmt: skip
    assert first_broken_entry(entries, SECRET) is None
    with pytest.raises(UnknownControl):
        book.one("Shorter prompts")


def test_setting_changes_the_one_of_that_name_and_keeps_its_status(book):
    book.set("one", TERMS, actor="ada")
    book.start("one", date(2026, 9, 1), actor="ada")
    changed = book.set("one", msgspec.structs.replace(TERMS, target=Decimal(900), start=date(2026, 9, 2)), actor="ada")
    assert (changed.status, changed.terms.target, changed.terms.start) == ("running", Decimal(900), date(2026, 9, 2))
    with pytest.raises(BadControl, match="start: it has begun"):
        book.set("one", TERMS, actor="ada")
    with pytest.raises(NameTaken):
        book.create("one", TERMS, actor="ada")


def test_a_closed_month_is_booked_once_and_a_later_difference_is_an_entry_of_its_own(store, book):
    made = book.create("one", TERMS, actor="ada")
    first = Finding(
        made.initiative_id, "2026-08", Decimal("120.000000000001"), Decimal(100), Decimal(140), "comparison"
    )
    (entry,) = book.book([first], actor="console")
    assert (entry.number, entry.kind, entry.amount, entry.name) == (1, "booking", first.amount, "one")
    assert book.book([first], actor="console") == []
    later = first._replace(amount=Decimal("119.5"), low=None, high=None)
    (adjustment,) = book.book([later], actor="console")
    assert (adjustment.kind, adjustment.amount) == ("adjustment", Decimal("-0.500000000001"))
    assert book.bookings() == [entry, adjustment]
    assert sum((one.amount for one in book.bookings()), Decimal(0)) == later.amount
    book.remove("one", actor="ada")
    assert book.bookings() == [entry, adjustment]
    with store.reading() as connection:
        assert [one.action for one in audit_entries(connection)].count("initiative.book") == 2


def test_a_month_that_saved_nothing_is_booked_too(book):
    made = book.create("one", TERMS, actor="ada")
    nothing = Finding(made.initiative_id, "2026-08", Decimal(0), None, None, "before_after")
    assert [one.amount for one in book.book([nothing], actor="console")] == [Decimal(0)]
    assert book.book([nothing], actor="console") == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"owner": " "}, "owner"),
        ({"target": Decimal(0)}, "target"),
        ({"target": Decimal("0.001")}, "target"),
        ({"target": Decimal("NaN")}, "target"),
        ({"baseline_to": date(2026, 8, 3)}, "baseline_to"),
        ({"baseline_to": date(2028, 8, 3)}, "baseline_to"),
        ({"start": date(2026, 8, 31)}, "start"),
        ({"mix": ("model",)}, "mix"),
        ({"mix": ("feature", "feature")}, "mix"),
        ({"comparison": ("auto", "team=x")}, "comparison"),
        ({"filters": tuple(f"feature={at}" for at in range(9))}, "filters"),
        ({"guard": Guard("feedback", 2.0)}, "guard.limit"),
    ],
)
def test_a_mistake_names_its_field(tmp_path, changes, field):
    book = InitiativeBook(ControlStore(tmp_path / "control.sqlite"), SECRET, CLOCK, lambda _: None)
    with pytest.raises(BadControl) as error:
        book.create("one", msgspec.structs.replace(TERMS, **changes), actor="ada")
    assert error.value.field == field


def test_what_has_not_begun_can_not_end(tmp_path):
    book = InitiativeBook(ControlStore(tmp_path / "control.sqlite"), SECRET, CLOCK, lambda _: None)
    book.create("one", TERMS, actor="ada")
    for act in (book.finish, book.stop):
        with pytest.raises(BadControl, match="start it first"):
            act("one", actor="ada")
    book.start("one", date(2026, 9, 10), actor="ada")
    with pytest.raises(BadControl, match="stop it from 2026-09-11 on"):
        book.stop("one", date(2026, 9, 10), actor="ada")


def test_starting_one_keeps_what_somebody_else_changed_in_the_same_moment(book, monkeypatch):
    made = book.create("prompts", TERMS, actor="ada")
    dearer = msgspec.structs.replace(TERMS, target=Decimal(900), start=date(2026, 9, 5))
    book.change("prompts", dearer, actor="eve")
    monkeypatch.setattr(book, "one", lambda _: made)  # as it was read before
    started = book.start("prompts", actor="ada")
    assert (started.terms.target, started.terms.start) == (900, date(2026, 9, 5))
