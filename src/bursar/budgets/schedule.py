"""A budget whose window changes: another time zone, weeks instead of months, a contract prolonged.

The rule, so that no instant is in two windows or in none, and nobody gets a second limit by moving midnight:
the window that is running when the change comes isn't reset. It keeps its key and what is posted under it, and ends
where the new spec's window at that instant ends. From there on the new spec's windows follow, whole.
If either isn't in force at that instant (custom ranges), the old ends and the new begins at the change itself.

A rolling window can become a rolling window of the same length only (another zone for its texts): what it counts is no
window's sum. End the budget and make another.
"""

from functools import lru_cache

import msgspec

from bursar.budgets.spec import WindowSpec
from bursar.budgets.windows import BEGIN_US, NEVER_US, Window, window_at
from bursar.domain.errors import BadWindow

CHANGES_MAX = 100


class SpecChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From this instant on the budget's windows are another spec's. from_us: not in the past when it is recorded."""

    from_us: int
    spec: WindowSpec


class Schedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The specs of one budget over time. changes: ascending in time. Raises BadWindow that names the field."""

    spec: WindowSpec
    changes: tuple[SpecChange, ...] = ()

    def __post_init__(self) -> None:
        if len(self.changes) > CHANGES_MAX:
            raise BadWindow(f"a budget's window changes at most {CHANGES_MAX} times", field="changes")
        before, before_us = self.spec, 0
        for change in self.changes:
            if change.from_us <= before_us:
                raise BadWindow("changes of a window come in the order of their instants", field="changes")
            if "rolling" in (before.kind, change.spec.kind) and (before.kind, before.hours) != (
                change.spec.kind,
                change.spec.hours,
            ):
                raise BadWindow(
                    "a rolling window can't become another kind or length: end the budget and make another",
                    field="changes",
                )
            before, before_us = change.spec, change.from_us


def scheduled_window(budget: Schedule | WindowSpec, at_us: int) -> Window:
    """The one window of a budget that holds an instant.

    A key says after a slash which change it comes from ("2026-04/1"), so it never names two stretches; windows are in
    the order of their starts. Rolling keys don't: their slots stay the same ones.
    """
    if isinstance(budget, WindowSpec):
        return window_at(budget, at_us)
    return _lookup(budget, _seams(budget) if budget.changes else (), at_us)


def next_window(budget: Schedule | WindowSpec, at_us: int) -> Window | None:
    """The window after the one that holds an instant; None if that one has no end."""
    end_us = scheduled_window(budget, at_us).end_us
    return None if end_us == NEVER_US else scheduled_window(budget, end_us)


def previous_window(budget: Schedule | WindowSpec, at_us: int) -> Window | None:
    """The window before the one that holds an instant (its unused rest may be carried over); None if there is none."""
    start_us = scheduled_window(budget, at_us).start_us
    return None if start_us == BEGIN_US else scheduled_window(budget, start_us - 1)


class CurrentWindows:
    """Remembers running windows, so that the calendar is asked once a window and not by each budget and call.

    The answer is `scheduled_window`'s. Bounded by SPECS_MAX; budgets share ("month" in one zone is one entry).
    """

    SPECS_MAX = 10_000

    def __init__(self) -> None:
        self._windows: dict[Schedule | WindowSpec, Window] = {}

    def at(self, budget: Schedule | WindowSpec, at_us: int) -> Window:
        found = self._windows.get(budget)
        if found is not None and found.start_us <= at_us < found.end_us:
            return found
        if len(self._windows) >= self.SPECS_MAX:
            self._windows.clear()
        found = self._windows[budget] = scheduled_window(budget, at_us)
        return found


@lru_cache(maxsize=1024)
def _seams(schedule: Schedule) -> tuple[Window, ...]:
    """The window at each change, as it is after the change: ascending starts, a later one hides an earlier."""
    seams: list[Window] = []
    for change in schedule.changes:
        running = _lookup(schedule, tuple(seams), change.from_us)
        coming = _named(schedule, len(seams) + 1, window_at(change.spec, change.from_us))
        if running.start_us < change.from_us and running.in_force and coming.in_force:
            seam = msgspec.structs.replace(
                running,
                end_us=coming.end_us,
                counted_until_us=coming.counted_until_us,
                timezone=coming.timezone,
                turn=coming.turn,
            )
        elif coming.counted_from_us < coming.start_us:  # rolling, at the edge of a slot
            seam = coming
        else:
            seam = msgspec.structs.replace(coming, start_us=change.from_us, counted_from_us=change.from_us)
        seams.append(seam)
    return tuple(seams)


def _lookup(schedule: Schedule, seams: tuple[Window, ...], at_us: int) -> Window:
    """Among the specs up to the last of `seams`."""
    until_us = None  # where the next seam takes over
    for number in range(len(seams), 0, -1):
        seam = seams[number - 1]
        if at_us >= seam.end_us:
            found = _named(schedule, number, window_at(schedule.changes[number - 1].spec, at_us))
            return _cut(found, until_us)
        if at_us >= seam.start_us:
            return _cut(seam, until_us)
        until_us = seam.start_us
    return _cut(window_at(schedule.spec, at_us), until_us)


def _cut(window: Window, until_us: int | None) -> Window:
    if until_us is None or window.end_us <= until_us:
        return window
    return msgspec.structs.replace(window, end_us=until_us, counted_until_us=until_us)


def _named(schedule: Schedule, number: int, window: Window) -> Window:
    if schedule.spec.kind == "rolling":
        return window
    return msgspec.structs.replace(window, key=f"{window.key}/{number}")
