"""What the API says of providers' bills."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

import msgspec

from bursar.budgets.told import usd_text as usd
from bursar.console.api.answers import csv_bytes
from bursar.domain.clock import datetime_from_us
from bursar.domain.money import plain
from bursar.finance.reconcile.book import Act, Imported, Invoice
from bursar.finance.reconcile.causes import WORDS
from bursar.finance.reconcile.desk import Look, Summary, waits
from bursar.finance.reconcile.result import Variance


class BillAnswer(msgspec.Struct, frozen=True):
    """A bill as it was compared last, USD as decimal text; null: never yet, or it can't be.

    coverage: share of its usage that charges of ours explain, 0 to 1. open, open_count: differences that wait for a
    decision. fault: why it can't be compared.
    """

    invoice_id: str
    provider: str
    account: str
    month: str
    formats: list[str]
    rate: str | None
    billed: str | None = None
    used: str | None = None
    ours: str | None = None
    difference: str | None = None
    coverage: str | None = None
    open_count: int | None = None
    open: str | None = None
    compared_at: datetime | None = None
    fault: str = ""


class CellAnswer(msgspec.Struct, frozen=True):
    """A part of a variance; prices are USD a unit."""

    first: date
    until: date
    key: str
    model: str
    unit: str
    tier: str
    money: str
    quantity: str
    our_price: str | None
    their_price: str | None
    counted_as: str


class VarianceAnswer(msgspec.Struct, frozen=True):
    """A difference, theirs less ours, USD. state: open, accepted, posted, ignored, provisional or none (nobody needs to
    decide)."""

    variance_id: str
    cause: str
    said: str
    first: date
    last: date
    key: str
    model: str
    unit: str
    tier: str
    money: str
    quantity: str
    note: str
    proposal: str
    action: str
    state: str
    cells: list[CellAnswer]


class DayAnswer(msgspec.Struct, frozen=True):
    """A day, or a longer span that the bill doesn't tell by day. extra: tax, credits, flat charges."""

    first: date
    until: date
    theirs: str
    ours: str
    extra: str
    is_provisional: bool


class KeyAnswer(msgspec.Struct, frozen=True):
    """A key or project of the bill. how: said, named, recognised, pooled or unknown."""

    name: str
    how: str
    money: str


class ComparedAnswer(msgspec.Struct, frozen=True):
    """One bill with all that was found; the variances add up to the difference."""

    bill: BillAnswer
    extra: str
    posted: str
    provisional_from: date
    variances: list[VarianceAnswer]
    days: list[DayAnswer]
    keys: list[KeyAnswer]
    notes: list[str]


class ImportAnswer(msgspec.Struct, frozen=True):
    """What an import did: lines that were new, took another's place, or were there already."""

    invoices: list[str]
    format: str
    fresh: int
    replaced: int
    known: int
    again: bool
    faults: list[str]


def bill_answer(invoice: Invoice, summary: Summary | None) -> BillAnswer:
    """As a list tells it."""
    bare = BillAnswer(
        invoice.invoice_id, invoice.provider, invoice.account, invoice.month, invoice.formats,
        None if invoice.rate is None else plain(invoice.rate),
    )  # fmt: skip
    if summary is None:
        return bare
    if summary.fault:  # what can't be compared is unknown, not zero
        return msgspec.structs.replace(bare, compared_at=datetime_from_us(invoice.result_us), fault=summary.fault)
    share = plain(round(Decimal(summary.covered) / Decimal(summary.used), 6)) if summary.used > 0 else None
    return msgspec.structs.replace(
        bare, billed=usd(summary.billed), used=usd(summary.used), ours=usd(summary.ours),
        difference=usd(summary.billed - summary.ours), coverage=share, open_count=summary.open_count,
        open=usd(summary.open), compared_at=datetime_from_us(invoice.result_us), fault=summary.fault,
    )  # fmt: skip


def compared_answer(look: Look, summary: Summary | None) -> ComparedAnswer:
    """One bill, compared."""
    found = look.found
    return ComparedAnswer(
        bill_answer(look.invoice, summary), usd(found.extra), usd(look.posted), look.provisional_from,
        [variance_answer(one, look.acts) for one in found.variances],
        [DayAnswer(one.start, one.end, usd(one.theirs), usd(one.ours), usd(one.extra), one.is_provisional)
         for one in found.days],
        [KeyAnswer(one.name, one.how, usd(one.money)) for one in found.keys], found.notes,
    )  # fmt: skip


def variance_answer(one: Variance, acts: dict[str, Act]) -> VarianceAnswer:
    cells = [
        CellAnswer(
            cell.start, cell.end, cell.key, cell.model, cell.unit, cell.tier, usd(cell.money), plain(cell.quantity),
            None if cell.our_price is None else plain(cell.our_price),
            None if cell.their_price is None else plain(cell.their_price),
            " ".join(filter(None, (cell.other_unit, cell.other_tier))),
        )
        for cell in one.cells
    ]  # fmt: skip
    return VarianceAnswer(
        one.variance_id, one.cause.value, WORDS[one.cause], one.first, one.last, one.key, one.model, one.unit, one.tier,
        usd(one.money), plain(one.quantity), one.note, one.proposal, one.action, state_of(one, acts), cells,
    )  # fmt: skip


def state_of(one: Variance, acts: dict[str, Act]) -> str:
    """How a variance stands, in one word."""
    act = acts.get(one.variance_id)
    if act is not None:
        return "posted" if act.posted_us is not None else act.act
    if one.is_provisional:
        return "provisional"
    return "open" if waits(one) else "none"


VARIANCE_COLUMNS = (
    "variance_id", "cause", "first", "until", "key", "model", "unit", "tier", "counted_as", "quantity", "our_price",
    "their_price", "money", "currency", "state", "proposal",
)  # fmt: skip


def compared_csv(answer: ComparedAnswer) -> bytes:
    """A row for each part of each variance; they add up to the difference."""
    rows = [
        [one.variance_id, one.cause, cell.first, cell.until, cell.key, cell.model, cell.unit, cell.tier,
         cell.counted_as, cell.quantity, cell.our_price, cell.their_price, cell.money, "USD", one.state, one.proposal]
        for one in answer.variances
        for cell in one.cells
    ]  # fmt: skip
    return csv_bytes(VARIANCE_COLUMNS, rows)


def bills_csv(bills: Sequence[BillAnswer]) -> bytes:
    """A row a bill."""
    heads = BillAnswer.__struct_fields__
    return csv_bytes(
        heads, [[" ".join(value) if isinstance(value, list) else value for value in msgspec.structs.astuple(one)]
                for one in bills]
    )  # fmt: skip


def import_answer(done: Imported) -> ImportAnswer:
    return ImportAnswer(
        done.invoices, done.format, done.fresh, done.replaced, done.known, done.again, done.faults
    )  # fmt: skip


def summary_now(look: Look) -> Summary:
    """Of what is in hand."""
    found, waiting = look.found, look.open_ones
    return Summary(
        found.billed, found.used, found.extra, found.ours, found.covered, len(waiting),
        sum(one.money for one in waiting), {}, look.fault,
    )  # fmt: skip
