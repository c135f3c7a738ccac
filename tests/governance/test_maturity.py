"""Reviews held, evidence and the log of steps: appended, audited where somebody decided, and alike on both stores."""

from pathlib import Path

import pytest

from bursar.domain.clock import FixedClock
from bursar.domain.errors import BadControl, UnknownEvidence
from bursar.governance.audit import audit_entries, first_broken_entry
from bursar.governance.maturity import MaturityBook
from bursar.governance.reviews import ReviewBook
from bursar.governance.store import ControlStore

SECRET = bytes(range(32))
NOW_US = 1_790_000_000_000_000
DAY_US = 86_400_000_000


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW_US)


def test_a_review_is_recorded_once_held_and_the_last_of_each_kind_is_known(store: ControlStore, clock: FixedClock):
    book = ReviewBook(store, SECRET, clock)
    assert (book.last("weekly"), book.all()) == (None, [])
    held = book.record("weekly", by=" Ada ", actor="cli:ada")
    assert (held.number, held.kind, held.at_us, held.by) == (1, "weekly", NOW_US, "Ada")
    book.record("weekly", by="Bob", actor="console", at_us=NOW_US - DAY_US)  # told late: it isn't the last one
    monthly = book.record("monthly", by="Bob", actor="console")
    assert (book.last("weekly"), book.last("monthly")) == (held, monthly)
    assert [one.number for one in book.all()] == [2, 1, 3]
    with store.reading() as connection:
        entries = audit_entries(connection)
    assert [entry.action for entry in entries] == ["review.record"] * 3
    assert first_broken_entry(entries, SECRET) is None


@pytest.mark.parametrize(
    ("change", "field"), [({"kind": "daily"}, "kind"), ({"by": " "}, "by"), ({"at_us": NOW_US + 1}, "at")]
)
def test_a_review_that_was_not_held_is_not_recorded(tmp_path: Path, clock: FixedClock, change, field: str):
    book = ReviewBook(ControlStore(tmp_path / "control.sqlite"), SECRET, clock)
    with pytest.raises(BadControl) as refused:
        book.record(**{"kind": "weekly", "by": "Ada", "actor": "test"} | change)
    assert refused.value.field == field
    assert book.all() == []


def test_evidence_holds_until_it_ends_or_is_withdrawn_and_stays(store: ControlStore, clock: FixedClock):
    book = MaturityBook(store, SECRET, clock)
    first = book.add("roles_agreed", "Ada", "in the wiki, page Roles", NOW_US + DAY_US, actor="cli:ada")
    assert [first.holds(at_us) for at_us in (NOW_US - 1, NOW_US, NOW_US + DAY_US)] == [False, True, False]
    second = book.add("roles_agreed", "Bob", "in the wiki, page Roles", NOW_US + DAY_US, actor="cli:bob")
    clock.at_us += 10
    gone = book.withdraw(second.number, actor="cli:bob")
    assert (gone.holds(NOW_US + 9), gone.holds(NOW_US + 10)) == (True, False)
    assert book.evidence() == [first, gone]
    for number in (second.number, 99):
        with pytest.raises(UnknownEvidence):
            book.withdraw(number, actor="cli:bob")
    with store.reading() as connection:
        entries = audit_entries(connection)
    assert [entry.action for entry in entries] == [
        "maturity_evidence.add", "maturity_evidence.add", "maturity_evidence.withdraw",
    ]  # fmt: skip


def test_the_log_is_appended_and_the_newest_of_it_is_read(store: ControlStore, clock: FixedClock):
    book = MaturityBook(store, SECRET, clock)
    for step in range(5):
        clock.at_us = NOW_US + step * DAY_US
        book.note(step, {"priced": "passed"}, '{"at_us":1}')
    assert [(one.number, one.step) for one in book.log()] == [(1, 0), (2, 1), (3, 2), (4, 3), (5, 4)]
    newest = book.log(limit=2)
    assert [one.step for one in newest] == [3, 4]
    assert (newest[0].states, newest[0].advised) == ({"priced": "passed"}, '{"at_us":1}')
    with store.reading() as connection:
        assert audit_entries(connection) == []  # measured, not decided
