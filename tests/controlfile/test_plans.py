"""Planned events in a control file: made, changed, taken back, told; what can't be is refused with its place."""

from pathlib import Path

import pytest

from bursar.controlfile.state import ControlState
from bursar.domain.clock import FixedClock
from bursar.domain.errors import BursarError
from bursar.forecast.factors import check_scope
from bursar.governance.plans import PlanBook
from bursar.governance.store import ControlStore

SECRET, CLOCK = bytes(range(32)), FixedClock(1_790_000_000_000_000)


class Desk:
    """A state with its plans."""

    def __init__(self, location: Path) -> None:
        store = ControlStore(location)
        self.book = PlanBook(store, SECRET, CLOCK, check_scope)
        self.state = ControlState(store, SECRET, CLOCK, "UTC", check_scope=check_scope)

    def apply(self, text: str, *, prune: bool = False) -> list[str]:
        found = self.state.apply(f"version: 1\n{text}".encode(), prune=prune, actor="test", openings={})
        return [change.kind for change in found]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "control.sqlite")


def test_a_plan_is_made_changed_in_its_place_told_and_pruned(desk: Desk):
    assert desk.apply("plans: {launch: {start: 2026-12-01, percent: 30}}") == ["create"]
    (made,) = desk.book.all()
    changed = "plans: {launch: {start: 2026-12-01, percent: 12.5, kind: price, scope: model=gpt-5}}"
    assert desk.apply(changed) == ["change"]
    (kept,) = desk.book.all()
    assert (kept.plan_id, str(kept.terms.percent), kept.terms.kind) == (made.plan_id, "12.5", "price")
    assert desk.apply(changed) == []
    assert desk.apply(desk.state.export().removeprefix("version: 1\n")) == []
    assert desk.apply("plans: {}", prune=True) == ["remove"]
    assert desk.book.all() == []


@pytest.mark.parametrize(
    ("says", "where"),
    [
        ("percent: 30", "start"),
        ("start: soon, percent: 30", "start"),
        ("start: 2026-12-01, percent: 0", "percent"),
        ("start: 2026-12-01, percent: 5, end: 2026-11-30", "end"),
        ("start: 2026-12-01, percent: 5, kind: magic", "kind"),
        ("start: 2026-12-01, percent: 5, scope: weather=fine", "no dimension"),
        ("start: 2026-12-01, percent: 5, colour: red", "colour"),
    ],
)
def test_what_can_not_be_is_refused_with_its_place(desk: Desk, says: str, where: str):
    with pytest.raises(BursarError, match=where):
        desk.apply(f"plans: {{launch: {{{says}}}}}")
    assert desk.book.all() == []
