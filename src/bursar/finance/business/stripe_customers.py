"""Who stands how with Stripe: customers, put together from all that a file says of each of them."""

from datetime import date

import msgspec

from bursar.domain.calendar import month_on
from bursar.finance.business.model import Customer, PlanSpan, SeatMonth, month_of

TRIAL = "{} (trial)"


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """One subscription. since, until: of all of it; until None: it goes on. trial, period: from, to (excluded).

    seats: how many are paid for in the current period; None: unknown.
    """

    customer_id: str
    plan: str
    status: str
    since: date
    until: date | None = None
    trial: tuple[date, date] | None = None
    is_paid: bool = True
    seats: int | None = None
    period: tuple[date, date] | None = None

    @property
    def spans(self) -> tuple[PlanSpan, ...]:
        """On a trial they are on a plan of their own; what comes after it isn't told before it has begun."""
        if self.trial is None:
            return (PlanSpan(self.plan, self.since, self.until),)
        began, ends = self.trial
        ends = min(ends, self.until) if self.until else ends
        before = (PlanSpan(self.plan, self.since, began),) if self.since < began else ()
        if self.status in ("trialing", "paused"):
            return (*before, PlanSpan(TRIAL.format(self.plan), began, self.until))
        after = (PlanSpan(self.plan, ends, self.until),) if self.until is None or ends < self.until else ()
        return (*before, PlanSpan(TRIAL.format(self.plan), began, ends), *after)

    @property
    def converted_on(self) -> date | None:
        """Since when they pay; None: they don't, or not yet."""
        paying = [span for span in self.spans if span.plan == self.plan]
        return paying[0].since if self.is_paid and paying else None


class Standings:
    """Customers of one file. What it says of one customer in several places is one record."""

    def __init__(self) -> None:
        self._customers: dict[str, Customer] = {}
        self._subscriptions: dict[str, list[Standing]] = {}

    def put(self, one: Customer) -> None:
        """What is known of them beside their plans."""
        before = self._customers.get(one.customer_id, Customer(customer_id=one.customer_id))
        self._customers[one.customer_id] = msgspec.structs.replace(
            before, name=one.name or before.name, tags=before.tags | one.tags,
            signed_up=one.signed_up or before.signed_up,
        )  # fmt: skip

    def subscribe(self, one: Standing) -> None:
        self._customers.setdefault(one.customer_id, Customer(customer_id=one.customer_id))
        self._subscriptions.setdefault(one.customer_id, []).append(one)

    def customers(self) -> list[Customer]:
        """Each once: paying since the first day of any subscription, gone when all of them have ended."""
        return [self._whole(one) for one in self._customers.values()]

    def seats(self) -> list[SeatMonth]:
        """Seats of the months of current periods, all subscriptions of a customer together."""
        found: dict[tuple[str, date], int] = {}
        for one in (one for many in self._subscriptions.values() for one in many):
            if one.seats is None or one.period is None or one.until is not None:
                continue
            month, until = month_of(one.period[0]), one.period[1]
            while month < until:
                key = one.customer_id, month
                found[key] = found.get(key, 0) + one.seats
                month = month_on(month, 1)
        return [SeatMonth(customer_id=name, month=month, seats=seats) for (name, month), seats in found.items()]

    def _whole(self, one: Customer) -> Customer:
        theirs = self._subscriptions.get(one.customer_id, [])
        if not theirs:
            return one
        paying = [found.converted_on for found in theirs if found.converted_on]
        ended = [found.until for found in theirs if found.until]
        spans = {span.since: span for found in theirs for span in found.spans}
        return msgspec.structs.replace(
            one, converted_on=min(paying, default=None),
            cancelled_on=max(ended) if len(ended) == len(theirs) else None,
            spans=tuple(spans[since] for since in sorted(spans)),
        )  # fmt: skip
