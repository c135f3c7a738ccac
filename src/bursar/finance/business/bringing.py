"""Bringing a file in: what kind it is, read, tried out or kept; and what came of it, for people and programs."""

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from bursar.domain.errors import BadBusiness
from bursar.finance.business.book import BusinessBook
from bursar.finance.business.files import read_file
from bursar.finance.business.keeping import Kept
from bursar.finance.business.mapping import FILE_KINDS, Reading
from bursar.finance.business.model import Fault, RevenueLine
from bursar.finance.business.stripe import STRIPE_TAG, Told, read_stripe
from bursar.finance.business.stripe_exports import read_export

STRIPE = "stripe"
KINDS = (*FILE_KINDS, STRIPE)
FAULTS_TOLD = 100


class Brought(msgspec.Struct, frozen=True):
    """kept: what was done, or of a trial what would be; None where faults kept all of it out.

    faults: the first hundred; fault_count: all of them. Nothing is kept while there is one, but with `skip_faults`.
    notes: what a person should know of how the file was read.
    """

    is_trial: bool
    rows: int
    kept: list[Kept] | None
    faults: list[Fault]
    fault_count: int
    notes: list[str] = []


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a file. kind: of `KINDS`. customer_key: of Stripe's shapes, see `read_stripe`."""

    kind: str
    source: str = "file"
    reading: Reading | None = None
    customer_key: str = "id"
    is_trial: bool = False
    skip_faults: bool = False


def bring(book: BusinessBook, content: bytes, wish: Wish, *, actor: str) -> Brought:
    """Read a file and keep it whole, or say what is wrong with which row and keep nothing.

    Raises BadBusiness for what is no file of that kind.
    """
    if wish.kind not in KINDS:
        raise BadBusiness(f"kind is {wish.kind[:40]!r}; it can be {', '.join(KINDS)}", field="kind")
    told = _read(book, content, wish)
    records, faults = told.records, told.faults
    if faults and not wish.skip_faults:
        return Brought(wish.is_trial, records.count, None, faults[:FAULTS_TOLD], len(faults), told.notes)
    kept = book.try_out(records) if wish.is_trial else book.bring_in(records, wish.source, actor=actor)
    return Brought(wish.is_trial, records.count, kept, faults[:FAULTS_TOLD], len(faults), told.notes)


def _read(book: BusinessBook, content: bytes, wish: Wish) -> Told:
    if wish.kind != STRIPE:
        reading = wish.reading or Reading(kind=wish.kind)  # type: ignore[arg-type]  # one of FILE_KINDS
        if reading.kind != wish.kind:
            raise BadBusiness(f"the mapping is for {reading.kind}, the file is said to be {wish.kind}", field="kind")
        records, faults = read_file(content, reading, wish.source)
        return Told(records, faults, set(), [])
    known = book.known_as(STRIPE_TAG)
    if content.lstrip()[:1] in (b"{", b"["):
        told = read_stripe(content, known, wish.customer_key, lambda ids: book.lines_of(STRIPE, ids))
    else:
        told = read_export(content, known, wish.customer_key)
    told.records.revenue.extend(taken_back(book.lines_of(STRIPE, told.documents), told.records.revenue))
    return told


def taken_back(before: Iterable[RevenueLine], now: Iterable[RevenueLine]) -> list[RevenueLine]:
    """Lines that were brought in before of the same invoices and aren't among those of now: nothing is left of them."""
    said = {one.line_id for one in now}
    return [
        msgspec.structs.replace(one, amount=Decimal(0)) for one in before if one.line_id not in said and one.amount
    ]  # fmt: skip
