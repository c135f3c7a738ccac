"""What calls cost that brought nothing: retries, answers cut off, clients that left, failures that were billed.

Each attempt has one cause, so the causes add up; each is a pair of filters, so its figure opens to its calls.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from bursar.console.view import View
from bursar.explore.filters import Filter
from bursar.explore.query import Explorer

FIRST = Filter("attempt_number", ("1",))
NOT_FIRST = Filter("attempt_number", ("1",), "not")
SDK_RETRY = Filter("client_retry", ("0",), "not")
ANSWERED_RETRY = (FIRST, SDK_RETRY, Filter("outcome", ("ok",)))
OWN_FIELDS = ("outcome", "attempt_number", "client_retry")
MEASURES = ("effective_cost", "attempts", "unpriced_count")
OUTCOMES = {
    "truncated": "Cut off by max_tokens",
    "aborted": "The client hung up",
    "timeout": "Timed out",
    "provider_error": "Broke off or failed at the provider",
}
CAUSES = {"retry": "Retried by Bursar", "client_retry": "Retried by the client's SDK", **OUTCOMES}
WHAT = {
    "retry": "attempts after the first, whatever became of them",
    "client_retry": "answered, to a request that the SDK sent again",
    "truncated": "paid for, and often asked for again",
    "aborted": "the provider went on, or had begun",
    "timeout": "never heard of again: booked at the most they can cost",
    "provider_error": "billed for what had come until then",
}


class Part(msgspec.Struct):
    """A sum over attempts. effective_cost: USD; the unpriced attempts are not in it."""

    effective_cost: Decimal = Decimal(0)
    attempts: int = 0
    unpriced_count: int = 0

    def add(self, row: "Part") -> None:
        self.effective_cost += row.effective_cost
        self.attempts += row.attempts
        self.unpriced_count += row.unpriced_count

    @property
    def shown(self) -> Decimal | None:
        """The cost, or None where nothing of it has a price."""
        return None if self.unpriced_count and self.unpriced_count == self.attempts else self.effective_cost


class Group(msgspec.Struct):
    """The waste of one feature, or one key."""

    value: str
    total: Part
    by_cause: dict[str, Part]


class Waste(msgspec.Struct):
    """Waste of a period by cause, and by feature and key, dearest first.

    spent: all that the period cost. double: attempts of ours that retried what a client's SDK was retrying too.
    """

    total: Part
    by_cause: dict[str, Part]
    by_feature: list[Group]
    by_key: list[Group]
    spent: Part
    double: Part


def cause_of(outcome: str, attempt_number: str) -> str:
    """Why an attempt is waste; "" if it isn't."""
    if attempt_number != "1":
        return "retry"
    return outcome if outcome in OUTCOMES else ""


def filters_of(cause: str) -> tuple[Filter, ...]:
    """What an address filters by to show the calls of a cause."""
    if cause == "retry":
        return (NOT_FIRST,)
    return ANSWERED_RETRY if cause == "client_retry" else (FIRST, Filter("outcome", (cause,)))


def waste_of(explorer: Explorer, view: View) -> Waste:
    """All figures of the page."""
    by_feature = _groups(explorer, view, "feature")
    by_cause = {cause: Part() for cause in CAUSES}
    for group in by_feature:
        for cause, part in group.by_cause.items():
            by_cause[cause].add(part)
    return Waste(
        total=total_of(by_cause.values()),
        by_cause=by_cause,
        by_feature=by_feature,
        by_key=_groups(explorer, view, "credential_id"),
        spent=_total(explorer, view, ()),
        double=_total(explorer, view, (NOT_FIRST, SDK_RETRY)),
    )


def waste_total(explorer: Explorer, view: View) -> Part:
    """The sum alone, for Overview: all but the clients' retries from the sums kept ready."""
    table = explorer.cost_by(
        "outcome", view.period, filters=view.filters, limit=None,
        measures=("effective_cost", "retry_cost", "attempts", "retries", "unpriced_count"),
        order="effective_cost",
    )  # fmt: skip
    found = _total(explorer, view, ANSWERED_RETRY)
    for row in table.dicts():
        retried = row["retry_cost"] or Decimal(0)
        found.effective_cost += retried
        found.attempts += row["retries"]
        if row["outcome"] in OUTCOMES:
            found.effective_cost += (row["effective_cost"] or Decimal(0)) - retried
            found.attempts += row["attempts"] - row["retries"]
            found.unpriced_count += row["unpriced_count"]
    return found


def _groups(explorer: Explorer, view: View, dimension: str) -> list[Group]:
    table = explorer.cost_by(
        (dimension, "outcome", "attempt_number"), view.period, filters=view.filters, limit=None, measures=MEASURES
    )
    groups: dict[str, Group] = {}
    for row in table.dicts():
        cause = cause_of(row["outcome"], row["attempt_number"])
        if cause:
            value = str(row[dimension] or "")
            group = groups.setdefault(value, Group(value, Part(), {}))
            group.by_cause.setdefault(cause, Part()).add(_part(row))
    if not is_narrowed(view):
        filters = (*view.filters, *ANSWERED_RETRY)
        table = explorer.cost_by(dimension, view.period, filters=filters, limit=None, measures=MEASURES)
        for row in table.dicts():
            value = str(row[dimension] or "")
            groups.setdefault(value, Group(value, Part(), {})).by_cause["client_retry"] = _part(row)
    for group in groups.values():
        group.total = total_of(group.by_cause.values())
    return sorted(groups.values(), key=lambda group: (-group.total.effective_cost, -group.total.attempts, group.value))


def is_narrowed(view: View) -> bool:
    """Whether the address itself filters by what tells causes apart; what would contradict it is then left out."""
    return any(one.field in OWN_FIELDS for one in view.filters)


def _total(explorer: Explorer, view: View, filters: Sequence[Filter]) -> Part:
    if filters and is_narrowed(view):
        return Part()
    table = explorer.cost_by((), view.period, filters=(*view.filters, *filters), measures=MEASURES)
    return _part(table.totals)


def _part(row: dict[str, Any]) -> Part:
    return Part(row["effective_cost"] or Decimal(0), row["attempts"] or 0, row["unpriced_count"] or 0)


def total_of(parts: Iterable[Part]) -> Part:
    """All of them together."""
    total = Part()
    for part in parts:
        total.add(part)
    return total
