"""A budget as it stands in a control file, and what must happen to one in force so that it is what the file says.

The file says what holds, not how it came to be: another `limit` or `window` is appended to the budget as a decision of
now, as `bursar budgets raise` would, and what was decided before stays on its page.
"""

from datetime import date
from typing import Any

import msgspec

from bursar.budgets.budget import Budget, Mode, Rate
from bursar.budgets.limits import CarryOver, LimitChange, LimitPlan
from bursar.budgets.schedule import Schedule, SpecChange
from bursar.budgets.spec import format_spec, parse_spec
from bursar.budgets.thresholds import parse_threshold, threshold_text
from bursar.budgets.told import spec_at
from bursar.controlfile.amounts import amount_text, instant_from_text, instant_text, pico_from_text

_DEFAULT_THRESHOLDS = ("50", "80", "100")


class _Entry(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    pass


class RateEntry(_Entry):
    usd: str
    source: str
    as_of: date


class CarryEntry(_Entry):
    cap: str = ""
    overruns: bool = False


class RaiseEntry(_Entry):
    """Another limit for a while."""

    limit: str
    since: str
    until: str
    reason: str


class BudgetEntry(_Entry):
    """What may stand under a budget's name. The words are those of `bursar budgets create`."""

    limit: str
    window: str = "month"
    where: dict[str, str] = {}
    each: str = ""
    mode: Mode = "strict"
    overshoot: str = ""
    currency: str = "USD"
    rate: RateEntry | None = None
    carry: CarryEntry | None = None
    prorate_from: str = ""
    thresholds: tuple[str, ...] = _DEFAULT_THRESHOLDS
    contact: str = ""
    raises: tuple[RaiseEntry, ...] = ()


def budget_from_entry(name: str, entry: BudgetEntry, timezone: str) -> Budget:
    """The budget that an entry describes, as if made now. Raises BadBudget, BadWindow."""
    raises = (
        LimitChange(
            instant_from_text(one.since, "raises.since"),
            pico_from_text(one.limit, "raises.limit"),
            instant_from_text(one.until, "raises.until"),
            one.reason,
        )
        for one in entry.raises
    )
    rate, carry = entry.rate, entry.carry
    return Budget(
        budget_id="",
        name=name,
        limit=LimitPlan(pico_from_text(entry.limit, "limit"), tuple(raises)),
        window=Schedule(parse_spec(entry.window, timezone)),
        match=entry.where,
        each=entry.each,
        mode=entry.mode,
        overshoot_pico=pico_from_text(entry.overshoot, "overshoot") if entry.overshoot else None,
        currency=entry.currency,
        rate=Rate(pico_from_text(rate.usd, "rate.usd"), rate.source, rate.as_of) if rate else None,
        carry=CarryOver(pico_from_text(carry.cap, "carry.cap") if carry.cap else None, carry.overruns)
        if carry
        else None,
        prorate_from_us=instant_from_text(entry.prorate_from, "prorate_from") if entry.prorate_from else None,
        thresholds=tuple(parse_threshold(text) for text in entry.thresholds),
        contact=entry.contact,
    )


def tell_entry(budget: Budget, now_us: int) -> dict[str, Any]:
    """A budget as plain values for the file: what holds from now on, defaults left out."""
    limit_pico, raises = standing_limit(budget.limit, now_us)
    rate, carry = budget.rate, budget.carry
    told: dict[str, Any] = {
        "limit": amount_text(limit_pico),
        "window": format_spec(spec_at(budget, now_us), ""),
        "where": dict(sorted(budget.match.items())),
        "each": budget.each,
        "mode": "" if budget.mode == "strict" else budget.mode,
        "overshoot": "" if budget.overshoot_pico is None else amount_text(budget.overshoot_pico),
        "currency": "" if budget.currency == "USD" else budget.currency,
        "rate": rate and {"usd": amount_text(rate.usd_pico), "source": rate.source, "as_of": rate.as_of.isoformat()},
        "prorate_from": "" if budget.prorate_from_us is None else instant_text(budget.prorate_from_us),
        "contact": budget.contact,
        "raises": [_tell_raise(one) for one in raises],
    }
    told = {field: value for field, value in told.items() if value}
    if carry is not None:  # {} means something here
        cap = {} if carry.cap_pico is None else {"cap": amount_text(carry.cap_pico)}
        told["carry"] = cap | ({"overruns": True} if carry.overruns else {})
    thresholds = [threshold_text(one, " ") for one in budget.thresholds]
    if thresholds != list(_DEFAULT_THRESHOLDS):
        told["thresholds"] = thresholds
    return told


def standing_limit(plan: LimitPlan, now_us: int) -> tuple[int, list[LimitChange]]:
    """The limit for good, and the decisions for a while that were made after it and aren't over."""
    limit_pico, raises = plan.limit_pico, list[LimitChange]()
    for change in plan.changes:
        if change.until_us is None:
            limit_pico, raises = change.limit_pico, []
        elif change.until_us > now_us:
            raises.append(change)
    return limit_pico, raises


def must_be_remade(old: Budget, new: Budget, now_us: int) -> bool:
    """Whether what was counted for one doesn't count for the other: other calls, or a sum that wasn't kept."""
    before, after = spec_at(old, now_us), new.window.spec
    rolls = "rolling" in (before.kind, after.kind) and (before.kind, before.hours) != (after.kind, after.hours)
    return rolls or (old.match, old.each, old.mode) != (new.match, new.each, new.mode)


def changed(old: Budget, new: Budget, now_us: int, actor: str, reason: str) -> Budget:
    """The budget in force as somebody wants it, its decisions kept. Raises BadBudget, BadWindow."""
    window = old.window
    if new.window.spec != spec_at(old, now_us):
        window = Schedule(window.spec, (*window.changes, SpecChange(now_us, new.window.spec)))
    decisions = _decisions(old.limit, new.limit, now_us, actor, reason)
    limit = LimitPlan(old.limit.limit_pico, (*old.limit.changes, *decisions))
    return msgspec.structs.replace(
        new,
        budget_id=old.budget_id,
        created_us=old.created_us,
        window=window,
        limit=limit,
        approvals=old.approvals,  # a person's word on a running window, which no file takes back
    )


def _decisions(old: LimitPlan, new: LimitPlan, now_us: int, actor: str, reason: str) -> list[LimitChange]:
    """What to append. To take a raise back, the limit for good is decided again: it ends all before it."""
    (old_pico, old_raises), (new_pico, new_raises) = standing_limit(old, now_us), standing_limit(new, now_us)
    before = [_tell_raise(one) for one in old_raises]
    after = [_tell_raise(one) for one in new_raises]
    signed = [msgspec.structs.replace(one, by=actor) for one in new_raises]
    if old_pico == new_pico and after[: len(before)] == before:
        return signed[len(before) :]
    return [LimitChange(now_us, new_pico, reason=reason, by=actor), *signed]


def _tell_raise(change: LimitChange) -> dict[str, Any]:
    return {
        "limit": amount_text(change.limit_pico),
        "since": instant_text(change.from_us),
        "until": instant_text(change.until_us or 0),
        "reason": change.reason,
    }
