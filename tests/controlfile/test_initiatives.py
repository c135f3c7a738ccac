"""Initiatives in a control file: read, made, moved on, told; what a file can't say is refused with its place."""

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.advisor.initiatives import check_terms
from bursar.controlfile.state import ControlState
from bursar.domain.clock import FixedClock
from bursar.domain.errors import BadControlFile
from bursar.domain.initiatives import Guard, InitiativeTerms
from bursar.governance.initiatives import Finding, InitiativeBook
from bursar.governance.store import ControlStore

SECRET = bytes(range(32))
CLOCK = FixedClock(1_790_000_000_000_000)  # 2026-09-21
SAYS = "owner: ada, target: 500, baseline_from: 2026-08-01, baseline_to: 2026-08-31, start: 2026-09-01"


class Desk:
    def __init__(self, directory: Path) -> None:
        store = ControlStore(directory / "control.sqlite")
        self.book = InitiativeBook(store, SECRET, CLOCK, check_terms)
        self.state = ControlState(store, SECRET, CLOCK, "UTC", check_initiative=check_terms)

    def apply(self, text: str, *, prune: bool = False):
        return self.state.apply(text.encode(), prune=prune, actor="test", openings={})

    def entry(self, more: str = "") -> None:
        self.apply(f"initiatives: {{one: {{{SAYS}{more}}}}}")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_one_is_made_moved_on_and_stays_the_same_one(desk):
    desk.entry()
    (made,) = desk.book.all()
    assert (made.status, made.terms.target, made.terms.start) == ("planned", Decimal(500), date(2026, 9, 1))
    for more, status, ended in (
        (", status: running", "running", None),
        (", status: done", "done", None),
        (", status: stopped, ended: 2026-09-10", "stopped", date(2026, 9, 10)),
        (", status: stopped, ended: 2026-09-12, unit: ok_calls", "stopped", date(2026, 9, 12)),
        (", status: running", "running", None),
    ):
        desk.entry(more)
        (one,) = desk.book.all()
        assert (one.initiative_id, one.status, one.ended) == (made.initiative_id, status, ended)
        assert desk.state.compare(desk.state.export().encode(), prune=True) == []
    desk.book.book([Finding(made.initiative_id, "2026-08", Decimal(1), None, None, "comparison")], actor="test")
    desk.apply("initiatives: {}", prune=True)
    assert desk.book.all() == []
    assert len(desk.book.bookings()) == 1


def test_one_is_made_stopped_at_once(desk):
    desk.entry(
        ", status: stopped, ended: 2026-09-10, filters: [feature=checkout], guard: {metric: feedback, limit: 0.5}"
    )
    (one,) = desk.book.all()
    assert (one.status, one.terms.filters, one.terms.guard) == (
        "stopped", ("feature=checkout",), Guard("feedback", 0.5),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (", colour: red", "initiatives.one.colour: .*unknown field"),
        (", status: going", "initiatives.one.status"),
        (", status: stopped", "initiatives.one.ended: .*the day it ended"),
        (", ended: 2026-09-10", "initiatives.one.ended: .*the day it ended"),
        (", filters: [colour=red]", "initiatives.one.filters: .*no dimension"),
        (", mix: [model]", "initiatives.one.mix"),
        (", guard: {metric: feedback, limit: 3}", "initiatives.one.guard.limit"),
        (", status: stopped, ended: 2026-09-01", "initiatives.one.ended: .*stop it from 2026-09-02"),
    ],
)
def test_what_can_not_be_is_refused_with_its_place(desk, more, says):
    with pytest.raises(BadControlFile, match=says):
        desk.entry(more)
    assert desk.book.all() == []


def test_what_has_begun_is_not_planned_again(desk):
    desk.entry(", status: running")
    with pytest.raises(BadControlFile, match="it has begun"):
        desk.entry()
    with pytest.raises(BadControlFile, match="the day on which it began"):
        desk.apply(f"initiatives: {{one: {{{SAYS.replace(', start: 2026-09-01', '')}, status: done}}}}")


texts = st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=8)
TERMS = st.builds(
    lambda cents, back, long, after, **more: InitiativeTerms(
        target=Decimal(cents) / 100, baseline_from=date(2026, 8, 31) - timedelta(days=back),
        baseline_to=date(2026, 8, 31) - timedelta(days=back) + timedelta(days=long),
        start=date(2026, 9, 1) + timedelta(days=after), **more,
    ),
    cents=st.integers(1, 10**8), back=st.integers(40, 60), long=st.integers(6, 40), after=st.integers(0, 9),
    owner=texts, hypothesis=st.just("") | texts, unit=st.sampled_from(["calls", "ok_calls", "tag:pages"]),
    filters=st.lists(texts.map("feature={}".format), max_size=2, unique=True).map(tuple),
    mix=st.sampled_from([(), ("team",), ("feature", "request_type"), ("tag:plan", "customer")]),
    comparison=st.sampled_from([(), ("auto",), ("feature!=a", "team=b")]),
    guard=st.none() | st.builds(Guard, st.just("error_rate"), st.floats(0, 100)),
)  # fmt: skip


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(terms=TERMS, status=st.sampled_from(["planned", "running", "done", "stopped"]), name=texts)
def test_what_is_exported_is_read_back_as_no_difference_and_makes_the_same_elsewhere(terms, status, name):
    with TemporaryDirectory() as here, TemporaryDirectory() as elsewhere:
        first, second = Desk(Path(here)), Desk(Path(elsewhere))
        first.book.create(name, terms, actor="ann")
        if status != "planned":
            first.book.start(name, actor="ann")
        if status == "done":
            first.book.finish(name, actor="ann")
        if status == "stopped":
            first.book.stop(name, actor="ann")
        text = first.state.export()
        second.apply(text)
        assert second.state.compare(text.encode(), prune=True) == []
        (one,), (other,) = first.book.all(), second.book.all()
        same = {"initiative_id": "", "created_by": ""}
        assert msgspec.structs.replace(one, **same) == msgspec.structs.replace(other, **same)
