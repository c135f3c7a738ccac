"""What a budget's limit is: dated changes, a share for a window begun in the middle, what is carried over.

Amounts are integer picos (1e-12) of the budget's own currency. Nothing here knows what was spent: that is passed in.
"""

import msgspec

from bursar.budgets.windows import NEVER_US, Window
from bursar.domain.errors import BadWindow

CHANGES_MAX = 1_000


class LimitChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another limit over `[from_us, until_us)`; without `until_us` for good.

    reason: why; a temporary change must say. by: who decided, for the budget's page.
    """

    from_us: int
    limit_pico: int
    until_us: int | None = None
    reason: str = ""
    by: str = ""

    def __post_init__(self) -> None:
        if self.limit_pico < 0:
            raise BadWindow("a limit can't be below zero", field="limit")
        if self.until_us is not None and self.until_us <= self.from_us:
            raise BadWindow("a temporary limit ends after it begins", field="until")
        if self.until_us is not None and not self.reason.strip():
            raise BadWindow("a temporary limit says its reason", field="reason")


class LimitPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A first limit and every decision on it since, in the order they were made. Facts are appended: to take a raise
    back, append a change."""

    limit_pico: int
    changes: tuple[LimitChange, ...] = ()

    def __post_init__(self) -> None:
        if self.limit_pico < 0:
            raise BadWindow("a limit can't be below zero", field="limit")
        if len(self.changes) > CHANGES_MAX:
            raise BadWindow(f"a limit changes at most {CHANGES_MAX} times", field="changes")


class Limit(msgspec.Struct, frozen=True):
    """The limit at an instant. until_us: how long nothing changes it; `change`: the decision it comes from, if any."""

    limit_pico: int
    until_us: int
    change: LimitChange | None = None


class CarryOver(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether a window begins with what the one before left.

    cap_pico:  at most this much is added; None: no cap. What is carried may be carried again, up to the cap.
    overruns:  what was spent above the limit is taken from the next window.
    """

    cap_pico: int | None = None
    overruns: bool = False

    def __post_init__(self) -> None:
        if self.cap_pico is not None and self.cap_pico < 0:
            raise BadWindow("the most that is carried over can't be below zero", field="carry_cap")


def limit_at(plan: LimitPlan, at_us: int) -> Limit:
    """The limit in force at an instant: of the changes that hold then, the newest decision (latest in the list) wins.

    When a temporary one ends, the limit is again what it would be without it.
    """
    holding = [one for one in plan.changes if one.from_us <= at_us and (one.until_us is None or at_us < one.until_us)]
    edges = (edge for one in plan.changes for edge in (one.from_us, one.until_us) if edge is not None and edge > at_us)
    until_us = min(edges, default=NEVER_US)
    if not holding:
        return Limit(plan.limit_pico, until_us)
    return Limit(holding[-1].limit_pico, until_us, holding[-1])


def share(amount_pico: int, window: Window, from_us: int, to_us: int) -> int:
    """The part of an amount that falls on `[from_us, to_us)` of a window, by elapsed time.

    Rounding: each edge's part of the amount since the window's start is rounded down, and the share is the difference
    of its two edges. So the shares of parts that tile a window add up to the whole to the last pico, and each is
    within one pico of exact.
    A window without end has no parts, and a rolling one is always whole: the amount itself.
    """
    if window.turn == "rolls" or window.end_us == NEVER_US:
        return amount_pico
    first_us, last_us = max(from_us, window.start_us), min(to_us, window.end_us)
    if last_us <= first_us:
        return 0
    length_us = window.end_us - window.start_us

    def until(edge_us: int) -> int:
        return amount_pico * (edge_us - window.start_us) // length_us

    return until(last_us) - until(first_us)


def carried_pico(carry: CarryOver | None, unused_pico: int | None) -> int:
    """What the window before adds to this one's limit; below zero only where overruns are taken off.

    unused_pico: its limit (with what it was carried itself) less what it spent and still holds; below zero: overrun.
    None: not known yet, and then nothing is carried until it is.
    """
    if carry is None or unused_pico is None:
        return 0
    if unused_pico < 0:
        return unused_pico if carry.overruns else 0
    return unused_pico if carry.cap_pico is None else min(unused_pico, carry.cap_pico)


def window_limit(
    limit_pico: int, window: Window, *, prorate_from_us: int | None = None, carried_pico: int = 0
) -> int | None:
    """What may be spent in a window: the limit in force, its share if the budget begins inside the window and is
    prorated, and what was carried over; never below zero. None: the budget isn't in force and limits nothing."""
    if not window.in_force:
        return None
    if prorate_from_us is not None and prorate_from_us in window:
        limit_pico = share(limit_pico, window, prorate_from_us, window.end_us)
    return max(limit_pico + carried_pico, 0)
