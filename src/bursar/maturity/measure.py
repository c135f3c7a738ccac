"""Each check measured: passed, failed, or can't be seen; with its value, what was seen, and where that opens.

What a person says passes a check only if Bursar can't see what it is about: of all others it isn't even looked at.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal, NamedTuple

import msgspec

from bursar.domain.clock import us_from_datetime
from bursar.governance.maturity import Evidence
from bursar.maturity.coverage import address, opens_without
from bursar.maturity.facts import ZERO, Facts, Part, percent
from bursar.maturity.steps import CHECKS, Check

State = Literal["passed", "failed", "unseen"]
DAY_US = 86_400_000_000
CACHES_EXPECTED_MAX = Decimal(1)  # percent of the spend; below it caches would hardly pay
ADVICE_EXPECTED_MAX = Decimal(2)
BILL_DAYS_MAX = 45  # since the end of the newest month that has a bill
BILLED_MIN = Decimal(90)  # percent of the month's spend


class Result(msgspec.Struct, frozen=True):
    """A check as it stands. value: in the check's unit, None: there is nothing to measure.

    said: what was seen, in words. opens: an address of the console where the figure opens, "" where none does.
    at_us: when it was measured; of a person's evidence, when that was given. evidence: the one that it is by.
    """

    check: Check
    state: State
    value: Decimal | None
    said: str
    opens: str
    at_us: int
    evidence: Evidence | None = None


class Reading(NamedTuple):
    """passes: None: by the check's threshold. at_us: when what it stands on was looked at; None: now."""

    value: Decimal | None
    said: str
    opens: str = ""
    passes: bool | None = None
    at_us: int | None = None


NO_CALLS = Reading(None, "no call was recorded in the last thirty days")


def measure(facts: Facts) -> list[Result]:
    """All checks, in their order."""
    return [_by_person(facts, check) if check.is_by_person else _by_bursar(facts, check) for check in CHECKS]


def _by_bursar(facts: Facts, check: Check) -> Result:
    found = READERS[check.id](facts)
    if found.value is None:
        return Result(check, "unseen", None, found.said, found.opens, facts.at_us)
    passes = check.is_met_by(found.value) if found.passes is None else found.passes
    at_us = facts.at_us if found.at_us is None else found.at_us
    return Result(check, "passed" if passes else "failed", found.value, found.said, found.opens, at_us)


def _by_person(facts: Facts, check: Check) -> Result:
    given = [one for one in facts.evidence if one.check_id == check.id and one.withdrawn_us is None]
    holding = [one for one in given if one.holds(facts.at_us)]
    if holding:
        newest = holding[-1]
        said = f"{newest.who}: {newest.text}"
        return Result(check, "passed", Decimal(1), said, _evidence_address(check), newest.at_us, newest)
    if given:
        day = _day(given[-1].until_us)
        said = f"what {given[-1].who} said held until {day}; say it again if it is still so"
        return Result(check, "unseen", None, said, _evidence_address(check), facts.at_us, given[-1])
    said = "Bursar can't see it, and nobody has said it"
    return Result(check, "unseen", None, said, _evidence_address(check), facts.at_us)


def _evidence_address(check: Check) -> str:
    return f"/maturity#{check.id}"


def _share(name: str, which: str, opens: str) -> Callable[[Facts], Reading]:
    """Of the spend, the share that is in a part of the books. which: the others in words; opens: where they open."""

    def read(facts: Facts) -> Reading:
        whole, part = facts.books.whole, facts.books.part(name)
        value = part.share_of(whole)
        return NO_CALLS if value is None else Reading(value, _told(whole.without(part), which), opens)

    return read


def _covered(name: str, which: str, page: str) -> Callable[[Facts], Reading]:
    """Of the spend, the share that budgets or policies are about. page: where no filters open the others."""

    def read(facts: Facts) -> Reading:
        whole, part = facts.books.of(name), facts.books.part(name)
        value = part.share_of(whole)
        if value is not None:
            return Reading(value, _told(whole.without(part), which), facts.settings.opens.get(name) or page)
        return Reading(Decimal(100), "no call that it could be about", page) if _has_calls(facts) else NO_CALLS

    return read


def _has_calls(facts: Facts) -> bool:
    return facts.books.whole.attempts > 0


def _told(part: Part, which: str) -> str:
    """`$12.30 in 40 attempts without a feature`."""
    if part.attempts <= 0 and part.spent <= 0:
        return f"nothing {which}"
    attempts = f"{part.attempts:,} {'attempt' if part.attempts == 1 else 'attempts'}"
    return f"${part.spent:,.2f} in {attempts} {which}" if part.spent > 0 else f"{attempts} {which}"


def _days_seen(facts: Facts) -> Reading:
    days = facts.books.days
    return Reading(Decimal(days), f"{days} of the last thirty days {'has' if days == 1 else 'have'} calls", "/explore")


def _still_seen(facts: Facts) -> Reading:
    newest = facts.books.newest
    if newest is None:
        return Reading(None, "no call was ever recorded")
    return Reading(_days_since(facts, us_from_datetime(newest)), f"the last call came on {newest:%Y-%m-%d}", "/calls")


def _priced(facts: Facts) -> Reading:
    attempts = facts.books.whole.attempts
    if attempts <= 0:
        return NO_CALLS
    priced = percent(Decimal(attempts - facts.books.unpriced), Decimal(attempts))
    said = f"{facts.books.unpriced:,} of {attempts:,} attempts have no price"
    return Reading(priced, said, address("/calls", ["quality=unpriced"]) if facts.books.unpriced else "/prices")


def _usage_known(facts: Facts) -> Reading:
    attempts = facts.books.whole.attempts
    if attempts <= 0:
        return NO_CALLS
    known = percent(Decimal(attempts - facts.books.doubtful), Decimal(attempts))
    said = f"{facts.books.doubtful:,} of {attempts:,} attempts are estimated or assumed"
    return Reading(known, said, address("/calls", ["quality=estimated", "quality=assumed"]))


def _loops_cut(facts: Facts) -> Reading:
    is_on = facts.settings.loops_cut
    return Reading(Decimal(int(is_on)), f"the loop breaker is {'on' if is_on else 'off'} in the settings", "/loops")


def _alerts(name: str, says: str) -> Callable[[Facts], Reading]:
    def read(facts: Facts) -> Reading:
        alerts = facts.settings.alerts
        if not alerts.is_on:
            return Reading(ZERO, "alerts are off in the settings", "/alerts", passes=False)
        number = getattr(alerts, name)
        return Reading(Decimal(number), f"{number} {'rule' if number == 1 else 'rules'} {says}", "/alerts")

    return read


def _caching(facts: Facts) -> Reading:
    return _lever(facts, facts.books.caches, "caches", CACHES_EXPECTED_MAX)


def _levers(facts: Facts) -> Reading:
    return _lever(facts, facts.books.levers, "all levers", ADVICE_EXPECTED_MAX)


def _lever(facts: Facts, saved: Decimal, who: str, expected_max: Decimal) -> Reading:
    """Passes where enough is saved, or where advice finds that nothing much could be."""
    books, advised = facts.books, facts.advised
    if books.counterfactual <= 0:
        return _without_money(facts)
    value = round(100 * saved / books.counterfactual, 4)  # below zero where they cost more than they save
    said = f"{who} took ${saved:,.2f} off of ${books.counterfactual:,.2f}"
    if advised is None:
        return Reading(value, f"{said}; advice wasn't asked lately", "/savings")
    expected = advised.caches if who == "caches" else advised.total
    said += f"; advice expects ${expected:,.2f} more a month"
    is_little = advised.spent > 0 and 100 * expected / advised.spent <= expected_max
    return Reading(value, said, "/savings", passes=True if is_little and saved >= 0 else None)


def _without_money(facts: Facts) -> Reading:
    """Calls that cost nothing leave nothing to save; of those without a price nobody knows."""
    if not _has_calls(facts):
        return NO_CALLS
    if facts.books.unpriced:
        return Reading(None, "nothing was spent that has a price")
    return Reading(ZERO, "the calls cost nothing", passes=True)


def _retries(facts: Facts) -> Reading:
    books = facts.books
    if books.whole.spent <= 0:
        return _without_money(facts)
    said = f"${books.retries:,.2f} of ${books.whole.spent:,.2f}"
    opens = address("/calls", ["attempt_number!=1"])
    return Reading(percent(books.retries, books.whole.spent), said, opens)


def _running(facts: Facts) -> Reading:
    number = facts.initiatives.running
    return Reading(Decimal(number), f"{number} running or done", "/initiatives")


def _measured(facts: Facts) -> Reading:
    number = facts.initiatives.measured
    return Reading(Decimal(number), f"{number} with a measured month", "/initiatives")


def _owned(facts: Facts) -> Reading:
    all_of_them, owned = facts.settings.budgets, facts.settings.owned
    if not all_of_them:
        return Reading(None, "there is no budget", "/budgets")
    said = f"{owned} of {all_of_them} budgets say whom to ask"
    return Reading(percent(Decimal(owned), Decimal(all_of_them)), said, "/budgets")


def _answered(facts: Facts) -> Reading:
    alerts = facts.settings.alerts
    if not alerts.raised:
        return Reading(Decimal(100), "no alert of the last thirty days waits", "/alerts")
    said = f"{alerts.answered} of {alerts.raised} alerts were acknowledged"
    return Reading(percent(Decimal(alerts.answered), Decimal(alerts.raised)), said, address("/alerts", show="all"))


def _audit(facts: Facts) -> Reading:
    audit = facts.settings.audit
    if audit.broken is not None:
        said = f"entry {audit.broken} doesn't follow from the one before: it was changed, or one is missing"
        return Reading(Decimal(audit.entries), said, passes=False)
    return Reading(Decimal(audit.entries), f"{audit.entries:,} entries, each following from the one before")


def _review(name: str) -> Callable[[Facts], Reading]:
    def read(facts: Facts) -> Reading:
        at_us: int | None = getattr(facts.settings, f"{name}_us")
        if at_us is None:
            return Reading(None, f"no {name} review was ever recorded")
        return Reading(_days_since(facts, at_us), f"the last one was on {_day(at_us)}")

    return read


def _booked(facts: Facts) -> Reading:
    found = facts.initiatives
    said = f"{found.booked} closed months are booked, {found.missing} are not"
    return Reading(Decimal(found.booked), said, "/initiatives#booked", passes=False if found.missing else None)


def _bills(facts: Facts) -> Reading:
    found = facts.bills
    if found is None:
        return Reading(None, "no bill of a month that is over was taken in", "/invoices")
    day = datetime.fromtimestamp(facts.at_us / 1e6, UTC).date()
    age, share = (day - found.ends).days, percent(found.billed_spent, found.spent) if found.spent > 0 else ZERO
    month = f"{found.month:%Y-%m}"
    if not found.compared or found.used <= 0:
        return Reading(ZERO, f"{found.bills} of {month} could not be compared", "/invoices", passes=False)
    explained = percent(found.covered, found.used)
    bills = "bill" if found.bills == 1 else "bills"
    told = [
        f"{month}: {found.compared} of {found.bills} {bills} compared, last on {_day(found.compared_us)}",
        f"charges explain {explained:.1f} % of ${found.used:,.2f}",
        f"{found.waiting} {'difference waits' if found.waiting == 1 else 'differences wait'} for a decision"
        if found.waiting else "nothing waits for a decision",
        f"{share:.0f} % of what was spent is at providers with a bill",
    ]  # fmt: skip
    if age > BILL_DAYS_MAX:
        told.append(f"it has been over for {age} days")
    fits = found.compared == found.bills and not found.waiting and share >= BILLED_MIN and age <= BILL_DAYS_MAX
    tied = percent(found.used - found.open, found.used)
    return Reading(tied, "; ".join(told), "/invoices", passes=None if fits else False, at_us=found.compared_us)


def _days_since(facts: Facts, at_us: int) -> Decimal:
    return round(Decimal(max(facts.at_us - at_us, 0)) / DAY_US, 2)


def _day(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6, UTC).date().isoformat()


READERS: dict[str, Callable[[Facts], Reading]] = {
    "days_seen": _days_seen,
    "still_seen": _still_seen,
    "priced": _priced,
    "usage_known": _usage_known,
    "spend_capped": _covered("budgeted", "that no budget would stop", "/budgets"),
    "answers_limited": _covered("limited", "whose answers no policy limits", "/controls#policies"),
    "loops_cut": _loops_cut,
    "spend_watched": _alerts("spend", "on all spend or on budgets reach somebody"),
    "alerts_reach": _alerts("silent", "are on and reach nobody"),
    "tag_feature": _share("feature", "without a feature", opens_without("feature")),
    "tag_team": _share("team", "without a team", opens_without("team", "scope_team")),
    "tag_environment": _share("environment", "without an environment", opens_without("environment")),
    "tag_whom": _share("whom", "without customer, user or agent", opens_without("customer", "user", "agent")),
    "keys_owned": _share("owned_keys", "on keys of no team", address("/explore", by="credential_kind")),
    "caching": _caching,
    "levers": _levers,
    "retries_low": _retries,
    "initiative_running": _running,
    "initiative_measured": _measured,
    "models_limited": _covered("chosen", "for which no policy chooses models", "/controls#policies"),
    "tags_required": _covered("required", "that could come without a feature", "/controls#policies"),
    "tags_watched": _alerts("tags", "on tag coverage reach somebody"),
    "budgets_owned": _owned,
    "alerts_answered": _answered,
    "audit_kept": _audit,
    "weekly_review": _review("weekly"),
    "monthly_review": _review("monthly"),
    "savings_booked": _booked,
    "invoices_reconciled": _bills,
    "forecast_watched": _alerts("forecast", "on budgets and their forecast reach somebody"),
    "unit_costs": _share("customer", "without a customer", opens_without("customer")),
}
