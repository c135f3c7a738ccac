"""Planned events in the control store: kept with who planned them, removed without being forgotten, audited."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from bursar.domain.clock import FixedClock
from bursar.domain.errors import BadControl, BadQuery, NameTaken, UnknownControl
from bursar.domain.plans import PlanTerms
from bursar.forecast.factors import check_scope
from bursar.governance import plans as module
from bursar.governance.audit import audit_entries
from bursar.governance.plans import PlanBook
from bursar.governance.store import ControlStore

LAUNCH = PlanTerms(start=date(2026, 12, 1), percent=Decimal("12.5"), scope="feature=search")


@pytest.fixture
def store(tmp_path: Path) -> ControlStore:
    return ControlStore(tmp_path / "control.sqlite")


@pytest.fixture
def book(store: ControlStore) -> PlanBook:
    return PlanBook(store, b"secret", FixedClock(1_000_000), check_scope)


def test_what_is_planned_is_kept_as_it_was_said_and_audited(book: PlanBook, store: ControlStore):
    made = book.add("  launch ", LAUNCH, actor="ada")
    assert book.all() == [made]
    assert (made.name, made.terms, made.created_by) == ("launch", LAUNCH, "ada")
    gone = book.remove(made.plan_id, actor="bob")
    assert (gone.plan_id, book.all()) == (made.plan_id, [])
    assert book.add("launch", LAUNCH, actor="ada").plan_id != made.plan_id
    with store.reading() as connection:
        actions = [entry.action for entry in audit_entries(connection)]
    assert [one for one in actions if one.startswith("plan.")] == ["plan.create", "plan.remove", "plan.create"]


@pytest.mark.parametrize(
    ("name", "terms", "error"),
    [
        ("", LAUNCH, BadControl),
        ("taken", LAUNCH, NameTaken),
        ("x", PlanTerms(start=date(2026, 12, 1), percent=Decimal(0)), BadControl),
        ("x", PlanTerms(start=date(2026, 12, 1), percent=Decimal("NaN")), BadControl),
        ("x", PlanTerms(start=date(2026, 12, 1), percent=Decimal(5), scope="weather=fine"), BadQuery),
        ("x", PlanTerms(start=date(2026, 12, 1), percent=Decimal(5), scope="search"), BadQuery),
    ],
)
def test_what_can_not_be_planned_is_refused(book: PlanBook, name: str, terms: PlanTerms, error: type[Exception]):
    book.add("taken", LAUNCH, actor="ada")
    with pytest.raises(error):
        book.add(name, terms, actor="ada")
    assert len(book.all()) == 1


def test_what_is_not_there_can_not_be_removed(book: PlanBook):
    with pytest.raises(UnknownControl):
        book.remove("nothing", actor="ada")


def test_there_is_a_most(book: PlanBook, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "PLANS_MAX", 1)
    book.add("one", LAUNCH, actor="ada")
    with pytest.raises(BadControl):
        book.add("two", LAUNCH, actor="ada")
