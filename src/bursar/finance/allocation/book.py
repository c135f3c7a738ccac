"""A month's allocation, its statements and chargebacks.

A month that was closed is split by the rules as they stood when it was closed, so its statements never change.
"""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal

import msgspec

from bursar.domain.clock import Clock
from bursar.domain.errors import BadControl, UnknownControl
from bursar.domain.money import pico_from_usd, usd_from_pico
from bursar.finance.allocation.allocate import Allocation, FlatCost, Share, allocate
from bursar.finance.allocation.gathering import Detail, details, gather
from bursar.finance.allocation.rule_book import RuleBook
from bursar.finance.allocation.rules import BY, InForce, in_force, on_first_day
from bursar.finance.books.booked import Closings, first_day, next_month
from bursar.finance.books.chart import account_of
from bursar.finance.books.close import CloseBook
from bursar.finance.books.entries import Posting
from bursar.finance.books.journal import LINES_MAX, JournalEntry, NewEntry
from bursar.finance.books.monthly import until_of
from bursar.finance.fx.rates import Rates
from bursar.governance.store import ControlStore
from bursar.ledger.store import Ledger

SOURCE = "chargeback"


class Statement(msgspec.Struct, frozen=True):
    """What one recipient bears in a month, with direct cost by model and by feature; both add up to it."""

    month: str
    by: str
    is_final: bool
    share: Share
    allocation: Allocation
    models: list[Detail]
    features: list[Detail]


class AllocationBook(RuleBook):
    """The allocation of a site. rates: exchange rates as they are now; secret: of the audit log."""

    def __init__(
        self,
        store: ControlStore,
        secret: bytes,
        ledger: Ledger,
        clock: Clock,
        close: CloseBook,
        rates: Callable[[], Rates],
    ) -> None:
        super().__init__(store, secret, clock)
        self._ledger = ledger
        self._close = close
        self._rates = rates

    def allocation(self, month: str, by: str) -> Allocation:
        """A month's cost by who bears it. Raises BadPeriod, BadControl."""
        tagging, splits, flats, closings = self._plan(month, by)
        with self._ledger.reading() as session:
            rows = gather(session, self._ledger.dialect, month, by, closings, tagging, splits)
        return allocate(month, by, rows, splits, flats)

    def statement(self, month: str, by: str, recipient: str) -> Statement:
        """One recipient's. Raises UnknownControl for one that bears nothing in that month, BadPeriod, BadControl."""
        tagging, splits, flats, closings = self._plan(month, by)
        dialect = self._ledger.dialect
        with self._ledger.reading() as session:
            rows = gather(session, dialect, month, by, closings, tagging, splits)
            found = allocate(month, by, rows, splits, flats)
            share = next((one for one in found.shares if one.recipient == recipient), None)
            if share is None:
                raise UnknownControl(f"{recipient[:200]!r} bears nothing in {month}", field="of")
            models, features = (
                details(session, dialect, month, by, closings, tagging, splits, recipient, dimension)
                for dimension in ("model", "feature")
            )
        return Statement(month, by, month in closings, share, found, models, features)

    def charge_back(self, month: str, by: str, *, actor: str) -> list[JournalEntry]:
        """Post the allocation of a month as a transfer: what was posted before is taken off, so that posting again
        posts only what is different. Nothing where nothing is.

        Raises BadControl where there are more recipients than an entry has lines.
        """
        found = self.allocation(month, by)
        chart = self._close.chart()
        wanted: dict[str, int] = {}
        for share in found.shares:
            account = account_of(chart.chargeback, {"team": share.recipient})
            wanted[account] = wanted.get(account, 0) + share.total_pico
        posted = [one for one in self._close.journal.all() if one.key.startswith(f"{SOURCE}:{by}:{month}:")]
        for entry in posted:
            for line in entry.postings:
                if line.account != chart.charged_out:
                    wanted[line.account] = wanted.get(line.account, 0) - pico_from_usd(line.amount)
        lines = [Posting(account, usd_from_pico(pico)) for account, pico in sorted(wanted.items()) if pico]
        if not lines:
            return []
        if len(lines) >= LINES_MAX:
            raise BadControl(f"by: {len(lines):,} recipients; an entry has at most {LINES_MAX}", field="by")
        lines.append(Posting(chart.charged_out, -sum((line.amount for line in lines), Decimal(0))))
        number = len(posted) + 1
        text = f"Chargeback of {month} by {by}" + (f", difference {number - 1}" if posted else "")
        last = first_day(next_month(month)) - timedelta(days=1)
        entry_new = NewEntry(
            f"{SOURCE}:{by}:{month}:{number}", last, text, [one for one in lines if one.amount], SOURCE
        )
        return self._close.journal.post([entry_new], actor=actor)

    def charged(self, month: str, by: str) -> list[JournalEntry]:
        """What was charged back of a month so far."""
        return [one for one in self._close.journal.all() if one.key.startswith(f"{SOURCE}:{by}:{month}:")]

    def _plan(self, month: str, by: str) -> tuple[list[InForce], list[InForce], list[FlatCost], Closings]:
        if by not in BY:
            raise BadControl(f"by: {by[:40]!r}; it is one of {', '.join(BY)}", field="by")
        first, until = first_day(month), first_day(next_month(month))
        closings = until_of(self._close.closings())
        closed_us = closings.get(month)
        versions = [one for one in self.versions() if closed_us is None or one.created_us <= closed_us]
        rules = in_force(versions, first, until)
        tagging = [one for one in rules if one.terms.kind == "tag"]
        splits = [one for one in on_first_day(rules, first) if one.terms.by == by]
        days = (until - first).days
        flats = [
            self._flat(one, days, until - timedelta(days=1))
            for one in rules
            if one.terms.kind == "flat" and one.terms.by == by
        ]
        return tagging, splits, flats, closings

    def _flat(self, rule: InForce, days: int, last: date) -> FlatCost:
        """A flat cost's part of a month, converted at the books' rate of its last day."""
        terms = rule.terms
        amount = Decimal(terms.amount) * rule.days / days
        told = "" if rule.days == days else f"{rule.days} of {days} days"
        if terms.currency != "USD":
            rate = self._rates().rate(terms.currency, "USD", last, "books")
            if rate is None:
                return FlatCost(rule, None, f"{terms.amount} {terms.currency}: no rate of the books for {last}")
            amount = rate.convert(amount)
            told = "; ".join(filter(None, (f"{terms.amount} {terms.currency}", told, rate.told())))
        return FlatCost(rule, int((amount * 10**12).quantize(Decimal(1), ROUND_HALF_EVEN)), told)
