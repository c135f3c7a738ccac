"""A new approval of a budget: how far, for whom, and until when at most."""

from bursar.budgets.budget import Budget
from bursar.budgets.schedule import scheduled_window
from bursar.budgets.thresholds import REASON_CHARS_MAX, Approval
from bursar.domain.errors import BadBudget


def new_approval(
    budget: Budget, percent: int | None, value: str, until_us: int | None, reason: str, by: str, now_us: int
) -> Approval:
    """percent: None: past all its thresholds. until_us: None: to the end of the window; a rolling one's whole length.

    Raises BadBudget that names the field.
    """
    asking = [one.percent for one in budget.thresholds if one.action == "approve"]
    if not asking:
        raise BadBudget(
            f"budget {budget.name!r} asks for no approval: it has no threshold like 80:approve", field="name"
        )
    percent = max(asking) if percent is None else percent
    if percent < min(asking):
        raise BadBudget(f"budget {budget.name!r} asks for approval from {min(asking)} percent on", field="at")
    if value and not budget.each:
        raise BadBudget(f"budget {budget.name!r} is one for all: leave out the value", field="value")
    if len(reason) > REASON_CHARS_MAX or not (reason.isprintable() or not reason):
        raise BadBudget(f"a reason has at most {REASON_CHARS_MAX} printable characters", field="reason")
    window = scheduled_window(budget.window, now_us)
    end_us = now_us + window.end_us - window.counted_from_us if window.turn == "rolls" else window.end_us
    if until_us is not None and not now_us < until_us <= end_us:
        raise BadBudget("an approval ends after now, and with the running window at the latest", field="until")
    return Approval(now_us, end_us if until_us is None else until_us, percent, by, value, reason)
