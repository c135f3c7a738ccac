"""A line of a provider's bill, whatever format it came in, and what makes two lines the same one."""

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from hashlib import blake2b
from typing import Literal, NamedTuple

import msgspec

from bursar.domain.money import EXACT

LineKind = Literal["usage", "tax", "credit", "fee", "total"]
"""usage: something used, with money or without. tax, credit: no usage. fee: a flat charge (a seat, a commitment).
total: a sum that somebody typed in, with nothing behind it."""

STANDARD, BATCH = "standard", "batch"
_STANDARD_WORDS = frozenset({"", "default", "standard", "auto", "on_demand", "standard_only"})
LINES_MAX = 1_000_000  # of one file
FAULTS_MAX = 200  # told of one file; the rest is counted
_PICO = Decimal(1).scaleb(-12)


class BillLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a provider says of one thing in one span of days.

    start, end:  UTC days, [start, end); one day, or a whole period where the bill says no more.
    key, project: as the bill names them: an API key's id; a project, workspace, account or subscription. "": not said.
    model, unit: "" where the line is about all of them; unit is a value of `domain.usage.Unit`.
    tier:        standard, batch, flex, priority …; "": not said.
    quantity:    in single units (tokens, not thousands); None: not said.
    amount:      in `currency`, exact as written; None: a usage page, which has no money.
    places:      decimal places that the amount was written with: the line may be rounded to those.
    rate:        units of `currency` for one USD, where the line says so itself.
    issuer:      the legal entity that bills it, as the line says itself; "": not said.
    """

    start: date
    end: date
    provider: str
    kind: LineKind = "usage"
    key: str = ""
    project: str = ""
    model: str = ""
    unit: str = ""
    tier: str = ""
    quantity: Decimal | None = None
    amount: Decimal | None = None
    places: int = 12
    currency: str = "USD"
    rate: Decimal | None = None
    text: str = ""
    account: str = ""
    where: str = ""  # more that tells lines apart: a region, a context window, a row id
    issuer: str = ""

    @property
    def days(self) -> int:
        return (self.end - self.start).days

    @property
    def slot(self) -> str:
        """What the line is about, without what it says: a later import of the same slot takes its place."""
        about = msgspec.structs.replace(self, quantity=None, amount=None, places=12, rate=None, issuer="")
        kind = "usage page" if self.amount is None else "money"  # both may be about the same thing
        return _digest(kind.encode() + b"\0" + msgspec.json.encode(about))

    @property
    def content(self) -> str:
        """What it says."""
        return _digest(msgspec.json.encode(self))


class Fault(msgspec.Struct, frozen=True):
    """Something in a file that couldn't be used. line: as the file counts, 0 where it has none."""

    line: int
    what: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.what}" if self.line else self.what


class Read(NamedTuple):
    """What a reader found. next_page: the token of the next page, where a page was read and there is one."""

    lines: list[BillLine]
    faults: list[Fault]
    next_page: str = ""


class Numbered(NamedTuple):
    """A line with its number among those of one file that are about the same: a file may say one thing twice."""

    line: BillLine
    slot: str
    ordinal: int


def number(lines: Iterable[BillLine]) -> list[Numbered]:
    """Lines of one file, those about the same counted 0, 1, 2 … in an order that doesn't depend on the file's."""
    by_slot: dict[str, list[BillLine]] = {}
    for line in lines:
        by_slot.setdefault(line.slot, []).append(line)
    return [
        Numbered(line, slot, at)
        for slot, same in by_slot.items()
        for at, line in enumerate(same if len(same) == 1 else sorted(same, key=lambda one: one.content))
    ]


def standard_tier(text: str) -> str:
    """A tier as bills and charges say it, with one word for the ordinary one."""
    word = text.strip().lower()
    return STANDARD if word in _STANDARD_WORDS else word


def pico(amount: Decimal) -> int:
    """A decimal amount as integer 1e-12 of its currency, rounded half-even."""
    return int(amount.quantize(_PICO, ROUND_HALF_EVEN, EXACT).scaleb(12, EXACT))


def day_after(day: date) -> date:
    return day + timedelta(days=1)


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=16).hexdigest()
