"""What the columns of somebody's file mean: fields by kind of file, and how a file's own heads are matched to them."""

import re
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, get_args

import msgspec

from bursar.domain.errors import BadBusiness

FileKind = Literal["customers", "plans", "revenue", "seats", "events"]
FILE_KINDS: tuple[FileKind, ...] = get_args(FileKind)
TAG = "tag:"
INCLUDED = "included:"


class FieldOf(NamedTuple):
    """A field of one kind of file. also: other heads it goes by, in small letters without signs."""

    name: str
    needed: bool = False
    also: tuple[str, ...] = ()


_CUSTOMER = FieldOf("customer_id", True, ("customer", "id", "external id", "account", "account id", "tenant"))
FIELDS: dict[FileKind, tuple[FieldOf, ...]] = {
    "customers": (
        _CUSTOMER, FieldOf("name", also=("customer name", "company")), FieldOf("segment", also=("tier", "industry")),
        FieldOf("plan", also=("plan name", "product")), FieldOf("plan_since"),
        FieldOf("signed_up", also=("created", "created at", "signup date", "sign up", "signed up at")),
        FieldOf("converted_on", also=("converted", "converted at", "paid since")),
        FieldOf("cancelled_on", also=("cancelled", "canceled", "cancelled at", "canceled at", "churned at")),
        FieldOf("is_free", also=("free",)),
    ),
    "plans": (
        FieldOf("name", True, ("plan", "plan name")), FieldOf("since", also=("valid from", "from")),
        FieldOf("price", True, ("price per month", "monthly price", "amount")), FieldOf("currency", True),
        FieldOf("is_per_seat", also=("per seat",)),
        FieldOf("other_cost_of_goods", also=("other cost", "cogs", "cost of goods")),
    ),
    "revenue": (
        _CUSTOMER, FieldOf("month", True, ("date", "period")), FieldOf("amount", True, ("revenue", "mrr", "net")),
        FieldOf("currency", True), FieldOf("plan"), FieldOf("feature"),
        FieldOf("line_id", also=("invoice", "invoice id", "line", "number")), FieldOf("source"),
    ),
    "seats": (
        _CUSTOMER, FieldOf("month", True, ("date", "period")), FieldOf("seats", also=("quantity", "licences")),
        FieldOf("active_users", also=("active", "mau", "users")),
    ),
    "events": (
        FieldOf("event_id", True, ("id",)), FieldOf("kind", True, ("type", "event", "event type")),
        FieldOf("customer_id", True, _CUSTOMER.also[:1] + _CUSTOMER.also[2:] + ("subject",)),
        FieldOf("at", True, ("time", "timestamp", "occurred at", "date")),
        FieldOf("quantity", also=("count",)), FieldOf("feature"), FieldOf("source"),
    ),
}  # fmt: skip


class Reading(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How one sort of file is read; saved under a name, it is used again.

    columns:   field → head of the column; fields that aren't named are found by their own heads.
    constants: field → what every row says: {"currency": "EUR"}.
    date_format: as `strptime` takes it; "": 2026-11-01.
    decimal_sign: "." or ",".
    is_exact: no field is found by its own head; who chose columns one by one has left the others out.
    """

    kind: FileKind
    columns: dict[str, str] = {}
    constants: dict[str, str] = {}
    date_format: str = ""
    decimal_sign: str = "."
    is_exact: bool = False


def check_reading(reading: Reading) -> Reading:
    """The same, if it can be used. Raises BadBusiness that names the field."""
    known = {field.name for field in FIELDS[reading.kind]}
    for part in ("columns", "constants"):
        for name in getattr(reading, part):
            if name not in known and not name.startswith((TAG, INCLUDED)):
                raise BadBusiness(
                    f"{part}: {name[:60]!r} is no field of {reading.kind}; there are {', '.join(sorted(known))}",
                    field=part,
                )
    if reading.decimal_sign not in (".", ","):
        raise BadBusiness(f"decimal_sign: {reading.decimal_sign[:10]!r} is neither . nor ,", field="decimal_sign")
    return reading


def places(reading: Reading, heads: Sequence[str]) -> dict[str, int]:
    """field → which column of the file. Raises BadBusiness where a needed one is missing, or a named one isn't there.

    Columns called `tag:NAME` (of customers) and `included:UNIT` (of plans) are fields of that name.
    """
    plain = [_plain(head) for head in heads]
    found: dict[str, int] = {}
    for field in FIELDS[reading.kind]:
        at = _place(reading, field, heads, plain)
        if at is not None:
            found[field.name] = at
        elif field.needed and field.name not in reading.constants:
            raise BadBusiness(
                f"no column for {field.name}: the file has {', '.join(map(repr, heads[:30]))}; choose the one that "
                f"it is ({field.name}=HEAD), or say what is so in every row",
                field=field.name,
            )
    prefix = {"customers": TAG, "plans": INCLUDED}.get(reading.kind)
    if prefix:
        found |= {head.strip(): at for at, head in enumerate(heads) if head.strip().startswith(prefix)}
        found |= {name: _named(head, heads) for name, head in reading.columns.items() if name.startswith(prefix)}
    return found


def guessed(reading: Reading, heads: Sequence[str]) -> dict[str, str]:
    """field → head of the column that would be taken for it."""
    plain = [_plain(head) for head in heads]
    found = {}
    for field in FIELDS[reading.kind]:
        own = msgspec.structs.replace(reading, columns={})
        at = _place(own, field, heads, plain)
        if at is not None:
            found[field.name] = heads[at].strip()
    return found


def guess_kind(heads: Sequence[str]) -> FileKind:
    """What a file most likely has: the kind of which the most needed fields are there, then the most of all."""

    def likely(kind: FileKind) -> tuple[int, int, int]:
        found = guessed(Reading(kind=kind), heads)
        needed = [field.name for field in FIELDS[kind] if field.needed]
        missing = sum(name not in found for name in needed)
        return -missing, len(needed), len(found)

    return max(FILE_KINDS, key=likely)


def _place(reading: Reading, field: FieldOf, heads: Sequence[str], plain: Sequence[str]) -> int | None:
    if field.name in reading.columns:
        return _named(reading.columns[field.name], heads)
    if reading.is_exact:
        return None
    for name in (_plain(field.name), *field.also):
        if name in plain:
            return plain.index(name)
    return None


def _named(head: str, heads: Sequence[str]) -> int:
    wanted = [one.strip() for one in heads]
    if head.strip() not in wanted:
        raise BadBusiness(
            f"no column is called {head[:60]!r}; the file has {', '.join(map(repr, heads[:30]))}", field="columns"
        )
    return wanted.index(head.strip())


def _plain(head: str) -> str:
    """`Customer ID ` → `customer id`; `Created (UTC)` → `created`."""
    return re.sub(r"[^a-z0-9:]+", " ", re.sub(r"\(.*?\)", "", head.lower())).strip()


def constant_or(reading: Reading, row: Mapping[str, str], name: str) -> str:
    """A cell's text; where it is empty, what every row says."""
    return row.get(name, "") or reading.constants.get(name, "")
