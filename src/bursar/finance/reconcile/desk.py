"""Bills as pages, the API and commands see them: taken in, compared, decided, posted."""

import threading
import time
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal

import msgspec

from bursar.domain.clock import Clock, datetime_from_us
from bursar.domain.errors import BadControl, UnknownControl
from bursar.finance.reconcile.bill import BillLine, Fault, Read
from bursar.finance.reconcile.book import ACCEPTED, IGNORED, Act, Imported, Invoice, InvoiceBook
from bursar.finance.reconcile.causes import Cause
from bursar.finance.reconcile.grouping import POSTABLE
from bursar.finance.reconcile.naming import BillNames
from bursar.finance.reconcile.posting import post_act
from bursar.finance.reconcile.readers import mapped
from bursar.finance.reconcile.readers.detect import READERS, read_bill
from bursar.finance.reconcile.readers.figures import Unreadable
from bursar.finance.reconcile.result import Reconciliation, Variance
from bursar.finance.reconcile.run import Terms, reconcile
from bursar.governance.store import ControlStore
from bursar.ledger.store import Ledger
from bursar.prices.book import PriceBook

SETTLE_DAYS = 2
"""Providers still add to the last days: OpenAI's and Anthropic's reports lag by minutes to hours, clouds by a day."""
AGAIN_S = 30.0
KEPT_MAX = 8


NOTHING = Reconciliation(0, 0, 0, 0, 0, [], [], [], [])
WITHDRAWN = "it was withdrawn, so nothing of it stands; its file brought in again brings it back"


class Summary(msgspec.Struct, frozen=True):
    """What is kept of a reconciliation for lists, pico-USD. open_count, open: of variances nobody decided about, beside
    tax, rounding and what stands on another day. fault: why it couldn't be compared, "" if it could."""

    billed: int = 0
    used: int = 0
    extra: int = 0
    ours: int = 0
    covered: int = 0
    open_count: int = 0
    open: int = 0
    causes: dict[str, int] = {}
    fault: str = ""


class Look(msgspec.Struct, frozen=True):
    """One bill with all that was found and decided."""

    invoice: Invoice
    found: Reconciliation
    acts: dict[str, Act]
    provisional_from: date
    fault: str = ""

    @property
    def open_ones(self) -> list[Variance]:
        """Variances that wait for a decision."""
        return [one for one in self.found.variances if one.variance_id not in self.acts and waits(one)]

    @property
    def posted(self) -> int:
        """pico-USD."""
        return sum(act.variance.money for act in self.acts.values() if act.posted_us is not None)


def waits(one: Variance) -> bool:
    """Whether somebody has to decide about it: tax, rounding and what stands on another day need nobody."""
    return one.cause not in (Cause.TAX, Cause.TIMING, Cause.ROUNDING) and not one.is_provisional


RateOf = Callable[[str, date], Decimal | None]
"""How many of a currency one USD is in the books on a day; None: unknown."""


def _no_rate(_currency: str, _day: date) -> Decimal | None:
    return None


def read_file(names: BillNames, data: bytes, kind: str) -> tuple[str, Read]:
    """(format, what it says). Raises BadControl for what can't be read, UnknownControl for no such mapping."""
    try:
        if kind and kind not in READERS:
            return kind, mapped.read(data, names.mapping(kind))
        return read_bill(data, kind)
    except Unreadable as error:
        raise BadControl(f"file: {error}", field="file") from error


def check_decision(one: Variance, act: str) -> None:
    """Raises BadControl for what isn't posted, or isn't final yet."""
    if act != ACCEPTED:
        return
    if one.cause not in POSTABLE:
        raise BadControl(f"variance: {one.cause.value} isn't posted: {one.proposal}", field="variance")
    if one.is_provisional:
        raise BadControl(
            f"variance: the provider may still change days up to {one.last}; accept it when they are final",
            field="variance",
        )


def typed_lines(
    provider: str, first: date, last: date, amount: Decimal, tax: Decimal, currency: str, rate: Decimal | None
) -> list[BillLine]:
    """A total that somebody typed. Raises BadControl that names the field."""
    if not provider.strip():
        raise BadControl("provider: whose bill it is", field="provider")
    if last < first:
        raise BadControl("last: not before the first day", field="last")
    if len(currency) != 3:
        raise BadControl("currency: three letters, as USD", field="currency")
    return mapped.typed_total(provider.strip(), first, last, amount, tax, currency, rate)


class InvoiceDesk:
    """All bills of a site beside its ledger."""

    def __init__(
        self, store: ControlStore, secret: bytes, ledger: Ledger, clock: Clock, rate_of: RateOf = _no_rate,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.book = InvoiceBook(store, secret, clock)
        self.names = BillNames(store, secret, clock)
        self._ledger = ledger
        self._clock = clock
        self._rate_of = rate_of
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[int, float, Look]] = {}

    @property
    def today(self) -> date:
        return datetime_from_us(self._clock.now_us()).date()

    def take_file(self, data: bytes, name: str, kind: str, *, actor: str) -> Imported:
        """Read a file and keep its lines. kind: a format or a saved mapping; "": guessed.

        Raises BadControl for what can't be read, UnknownControl for a mapping that isn't there."""
        kind, found = read_file(self.names, data, kind)
        return self.take_lines(data, name, kind, found.lines, found.faults, actor=actor)

    def take_lines(
        self, data: bytes, name: str, kind: str, lines: Sequence[BillLine], faults: Sequence[Fault], *, actor: str
    ) -> Imported:
        """The same for what is read already."""
        done = self.book.add(data, name, kind, lines, faults, actor=actor)
        self._forget(done.invoices)
        return done

    def take_total(
        self, provider: str, first: date, last: date, amount: Decimal, tax: Decimal, currency: str,
        rate: Decimal | None = None, *, actor: str,
    ) -> Imported:  # fmt: skip
        """A total that somebody typed from a PDF. Raises BadControl."""
        lines = typed_lines(provider, first, last, amount, tax, currency, rate)
        data = msgspec.json.encode(lines)
        return self.take_lines(data, f"typed total of {provider}", "typed", lines, [], actor=actor)

    def look(self, invoice_id: str, prices: PriceBook | None = None, *, fresh: bool = False) -> Look:
        """A bill compared with the ledger, at most half a minute old while calls come in. Raises UnknownControl."""
        invoice = self.book.one(invoice_id)
        with self._lock:
            version, at, kept = self._kept.get(invoice_id, (-1, 0.0, None))
            is_new = version == self._ledger.version or self._monotonic() - at < AGAIN_S
            if kept is not None and is_new and not fresh and kept.invoice.rate == invoice.rate:
                acts = {act.variance.variance_id: act for act in self.book.acts(invoice_id)}
                return msgspec.structs.replace(kept, invoice=invoice, acts=acts)
            version = self._ledger.version
            made = self._compared(invoice, prices)
            if len(self._kept) >= KEPT_MAX:
                self._kept.clear()
            self._kept[invoice_id] = (version, self._monotonic(), made)
        self._keep_summary(made)
        return msgspec.structs.replace(made, invoice=self.book.one(invoice_id))

    def withdraw(self, invoice_id: str, note: str = "", *, actor: str) -> int:
        """Take a bill out; how many lines. What was posted from it stays. Raises BadControl, UnknownControl."""
        gone = self.book.withdraw(invoice_id, note, actor=actor)
        self._forget([invoice_id])
        return gone

    def decide(self, invoice_id: str, variance_id: str, act: str, note: str = "", *, actor: str) -> Variance:
        """Accept a variance, which posts it, or ignore it. Raises BadControl, UnknownControl."""
        look = self.look(invoice_id)
        one = next((one for one in look.found.variances if one.variance_id == variance_id), None)
        if one is None:
            raise UnknownControl(f"the bill has no variance {variance_id[:60]!r} (any more)", field="variance")
        check_decision(one, act)
        self.book.decide(invoice_id, one, act, note, actor=actor)
        self._keep_summary(self.look(invoice_id))
        return one

    def post_accepted(self) -> int:
        """Post what was accepted and isn't in the books yet; how many variances."""
        waiting = self.book.acts()
        for act in waiting:
            provider = self.book.one(act.invoice_id).provider
            with self._ledger.writing() as session:
                entries = post_act(session, provider, act, self._clock.now_us())
            self.book.note_posted(act.invoice_id, act.variance.variance_id, entries)
        return len(waiting)

    def summaries(self) -> list[tuple[Invoice, Summary | None]]:
        """Every bill with what was found last; None: it was never compared."""
        return [(one, summary_of(one)) for one in self.book.all()]

    def forget(self) -> None:
        """Compare anew at the next look."""
        with self._lock:
            self._kept.clear()

    def _compared(self, invoice: Invoice, prices: PriceBook | None) -> Look:
        provisional_from = self.today - timedelta(days=SETTLE_DAYS)
        acts = {act.variance.variance_id: act for act in self.book.acts(invoice.invoice_id)}
        said = self.names.keys(invoice.provider)
        lines = self.book.lines(invoice.invoice_id)
        if not lines:
            return Look(invoice, NOTHING, acts, provisional_from, WITHDRAWN)
        rate = invoice.rate or self._rate_of_bill(lines)
        terms = Terms(invoice.provider, said, rate, provisional_from, prices)
        try:
            with self._ledger.reading() as session:
                found = reconcile(session, lines, terms)
        except BadControl as error:
            return Look(invoice, NOTHING, acts, provisional_from, error.message)
        return Look(invoice, found, acts, provisional_from)

    def _rate_of_bill(self, lines: Sequence[BillLine]) -> Decimal | None:
        """The books' rate of its last day, where all of it is in one other currency."""
        currencies = {line.currency for line in lines if line.amount is not None}
        if len(currencies) != 1 or "USD" in currencies:
            return None
        return self._rate_of(currencies.pop(), max(line.end for line in lines) - timedelta(days=1))

    def _keep_summary(self, look: Look) -> None:
        found, waiting = look.found, look.open_ones
        causes = {cause.value: money for cause, money in found.by_cause().items()}
        summary = Summary(
            found.billed, found.used, found.extra, found.ours, found.covered, len(waiting),
            sum(one.money for one in waiting), causes, look.fault,
        )  # fmt: skip
        text = msgspec.json.encode(summary).decode()
        if text != look.invoice.result:
            self.book.keep_result(look.invoice.invoice_id, text)

    def _forget(self, invoices: Sequence[str]) -> None:
        with self._lock:
            for one in invoices:
                self._kept.pop(one, None)


def summary_of(invoice: Invoice) -> Summary | None:
    """What was found last, as it is kept."""
    return msgspec.json.decode(invoice.result, type=Summary) if invoice.result else None


__all__ = ["ACCEPTED", "IGNORED", "InvoiceDesk", "Look", "Summary", "summary_of", "waits"]
