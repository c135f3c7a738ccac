"""Bringing a file in: what kind it is, read, tried out or kept; and what came of it, for people and programs."""

import csv
import io

import msgspec

from bursar.domain.errors import BadBusiness
from bursar.finance.business.book import BusinessBook
from bursar.finance.business.files import XLSX_MAGIC, read_file
from bursar.finance.business.keeping import Kept, Records
from bursar.finance.business.mapping import FILE_KINDS, Reading
from bursar.finance.business.model import Customer, Fault, RevenueLine
from bursar.finance.business.stripe import STRIPE_TAG, export_reading, read_stripe

STRIPE = "stripe"
KINDS = (*FILE_KINDS, STRIPE)
FAULTS_TOLD = 100


class Brought(msgspec.Struct, frozen=True):
    """kept: what was done, or of a trial what would be; None where faults kept all of it out.

    faults: the first hundred; fault_count: all of them. Nothing is kept while there is one, but with `skip_faults`.
    """

    is_trial: bool
    rows: int
    kept: list[Kept] | None
    faults: list[Fault]
    fault_count: int


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
    records, faults = _read(book, content, wish)
    if faults and not wish.skip_faults:
        return Brought(wish.is_trial, records.count, None, faults[:FAULTS_TOLD], len(faults))
    kept = book.try_out(records) if wish.is_trial else book.bring_in(records, wish.source, actor=actor)
    return Brought(wish.is_trial, records.count, kept, faults[:FAULTS_TOLD], len(faults))


def _read(book: BusinessBook, content: bytes, wish: Wish) -> tuple[Records, list[Fault]]:
    if wish.kind != STRIPE:
        reading = wish.reading or Reading(kind=wish.kind)  # type: ignore[arg-type]  # one of FILE_KINDS
        if reading.kind != wish.kind:
            raise BadBusiness(f"the mapping is for {reading.kind}, the file is said to be {wish.kind}", field="kind")
        return read_file(content, reading, wish.source)
    known = book.known_as(STRIPE_TAG)
    if content.lstrip()[:1] in (b"{", b"["):
        return read_stripe(content, known, wish.customer_key)
    reading_of_export = export_reading(_heads(content))
    if reading_of_export is None:
        raise BadBusiness(
            "no export of Stripe's that is known by its heads; bring it in as customers, plans or revenue and name the "
            "columns",
            field="file",
        )
    records, faults = read_file(content, reading_of_export, STRIPE)
    return _known_by_tag(records, known), faults


def _heads(content: bytes) -> list[str]:
    if content.startswith(XLSX_MAGIC):
        return []
    first = content.partition(b"\n")[0].decode("utf-8-sig", "replace")
    return next(csv.reader(io.StringIO(first)), [])


def _known_by_tag(records: Records, known: dict[str, str]) -> Records:
    """Stripe's ids as the customers' own, where a customer said which is theirs."""

    def customer(one: Customer) -> Customer:
        own = known.get(one.customer_id, one.customer_id)
        return msgspec.structs.replace(one, customer_id=own)

    def line(one: RevenueLine) -> RevenueLine:
        return msgspec.structs.replace(one, customer_id=known.get(one.customer_id, one.customer_id))

    return msgspec.structs.replace(
        records, customers=[customer(one) for one in records.customers], revenue=[line(one) for one in records.revenue]
    )
