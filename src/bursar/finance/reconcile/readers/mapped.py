"""Any CSV, by a mapping that says which of its columns is what; and a total that somebody types in."""

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal

import msgspec

from bursar.domain.usage import Unit
from bursar.finance.reconcile.bill import BillLine, Fault, LineKind, Read, day_after, standard_tier
from bursar.finance.reconcile.readers.figures import Unreadable, csv_rows, day, decimal, maybe, places
from bursar.finance.reconcile.readers.words import unit_of

FIELDS = ("date", "model", "key", "project", "line", "quantity", "amount", "currency", "tier", "end", "text", "kind")
_KINDS = ("usage", "tax", "credit", "fee", "total")
_UNITS = frozenset(unit.value for unit in Unit)


class BillMapping(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Which column is what.

    columns:  field of FIELDS → column of the file; `date` and `amount` are needed.
    provider: whose bill it is, as the ledger names providers.
    per:      how many single units one of `quantity` is: 1000 where the file counts thousands of tokens.
    cents:    amounts are in hundredths of the currency.
    currency: where no column says it.
    lines:    the file's word → a class of usage (input, cache_read, output …), where words alone don't tell.
    """

    columns: dict[str, str]
    provider: str
    per: int = 1
    cents: bool = False
    currency: str = "USD"
    lines: dict[str, str] = {}


def faults_of_mapping(mapping: BillMapping) -> Iterator[tuple[str, str]]:
    """(field, what is wrong)."""
    for name in mapping.columns:
        if name not in FIELDS:
            yield "columns", f"{name[:40]!r} is none of {', '.join(FIELDS)}"
    for name in ("date", "amount"):
        if not mapping.columns.get(name):
            yield "columns", f"say which column is the {name}"
    if not 1 <= mapping.per <= 10**9:
        yield "per", "from 1 to 1,000,000,000"
    for word, unit in mapping.lines.items():
        if unit not in _UNITS:
            yield "lines", f"{word[:40]!r} is {unit[:40]!r}, none of {', '.join(sorted(_UNITS))}"
    if not mapping.provider.strip():
        yield "provider", "whose bill it is"
    if len(mapping.currency) != 3:
        yield "currency", "three letters, as USD"


def read(data: bytes, mapping: BillMapping) -> Read:
    """Lines of a CSV file. Raises Unreadable where a column that the mapping names isn't in its head."""
    lines, faults = [], []
    for number, row in csv_rows(data):
        missing = [column for column in mapping.columns.values() if column not in row]
        if missing:
            raise Unreadable(f"the file has no column {missing[0][:60]!r}; it has {', '.join(row)[:300]}")
        try:
            lines.append(_line({name: row[column].strip() for name, column in mapping.columns.items()}, mapping))
        except Unreadable as error:
            faults.append(Fault(number, str(error)))
    return Read(lines, faults)


def _line(said: Mapping[str, str], mapping: BillMapping) -> BillLine:
    start = day(said["date"], "date")
    end = day_after(day(said["end"], "end")) if said.get("end") else day_after(start)
    if end <= start:
        raise Unreadable("the last day is before the first")
    amount = decimal(said["amount"], "amount").scaleb(-2 if mapping.cents else 0)
    kind = said.get("kind", "").lower() or _kind(said, amount)
    if kind not in _KINDS:
        raise Unreadable(f"kind is {kind[:40]!r}; it is one of {', '.join(_KINDS)}")
    line = said.get("line", "")
    quantity = maybe(said.get("quantity"), "quantity")
    is_usage = kind == "usage"
    return BillLine(
        start=start, end=end, provider=mapping.provider, kind=kind,  # type: ignore[arg-type]
        key=said.get("key", ""), project=said.get("project", ""), model=said.get("model", "") if is_usage else "",
        unit=mapping.lines.get(line) or unit_of(line) if is_usage else "",
        tier=standard_tier(said["tier"]) if is_usage and "tier" in said else "",
        quantity=None if quantity is None or not is_usage else quantity * mapping.per, amount=amount,
        places=places(amount), currency=(said.get("currency") or mapping.currency).upper(),
        text=said.get("text", "") or line,
    )  # fmt: skip


def _kind(said: Mapping[str, str], amount: Decimal) -> LineKind:
    words = f" {said.get('line', '')} {said.get('text', '')} ".lower()
    if any(f" {word} " in words for word in ("tax", "vat", "gst", "igst", "cgst", "sgst")):
        return "tax"
    return "credit" if amount < 0 or " credit " in words else "usage"


def typed_total(
    provider: str, first: date, last: date, amount: Decimal, tax: Decimal, currency: str, rate: Decimal | None = None
) -> list[BillLine]:
    """What a PDF says: a total before tax of [first, last], and the tax. rate: units of `currency` for one USD."""
    own = {"start": first, "end": day_after(last), "provider": provider, "currency": currency.upper(), "rate": rate}
    lines = [BillLine(**own, kind="total", amount=amount, places=places(amount), text="total before tax")]  # type: ignore[arg-type]
    if tax:
        lines.append(BillLine(**own, kind="tax", amount=tax, places=places(tax), text="tax"))  # type: ignore[arg-type]
    return lines
