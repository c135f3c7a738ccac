"""What reconciling a bill found: differences by cause, each with its money, its place and what can be done."""

from datetime import date
from decimal import Decimal

import msgspec

from bursar.finance.reconcile.causes import Cause


class VarianceCell(msgspec.Struct, frozen=True):
    """A part of a variance. money: pico-USD, theirs less ours. Prices: USD a unit, None where that says nothing.

    other_unit, other_tier: what ours counted it as, where the two sides disagree."""

    start: date
    end: date
    key: str
    model: str
    unit: str
    tier: str
    money: int
    quantity: Decimal
    our_price: Decimal | None = None
    their_price: Decimal | None = None
    other_unit: str = ""
    other_tier: str = ""


class Variance(msgspec.Struct, frozen=True):
    """One finding. money: pico-USD, theirs less ours, the sum of its cells.

    key, model, unit, tier: "" where its cells differ in it. credentials, models: ours, that it is about. proposal: what
    to do, in words; action: adjust, set_price, ask_vendor, tag_key, ignore or none. is_provisional: its days aren't
    final at the provider yet.
    """

    variance_id: str
    cause: Cause
    first: date
    last: date
    key: str
    model: str
    unit: str
    tier: str
    money: int
    quantity: Decimal
    note: str
    proposal: str
    action: str
    is_provisional: bool
    cells: list[VarianceCell]
    credentials: list[str] = []
    models: list[str] = []


class Day(msgspec.Struct, frozen=True):
    """A day, or a longer span that the bill doesn't tell by day. pico-USD. extra: tax, credits and flat charges."""

    start: date
    end: date
    theirs: int
    ours: int
    extra: int
    is_provisional: bool


class KeyMet(msgspec.Struct, frozen=True):
    """A key or project of the bill; how: said, named, recognised, pooled or unknown. pico-USD."""

    name: str
    how: str
    money: int


class Reconciliation(msgspec.Struct, frozen=True):
    """Both sides of one bill, pico-USD. billed: all of the bill in USD; used: of it for usage; extra: tax, credits and
    flat charges; ours: our charges; covered: of `used`, what charges of ours stand behind."""

    billed: int
    used: int
    extra: int
    ours: int
    covered: int
    variances: list[Variance]
    days: list[Day]
    keys: list[KeyMet]
    notes: list[str]
    charges: int = 0  # kinds of charges that were compared

    @property
    def difference(self) -> int:
        """The sum of the variances, to the pico."""
        return self.billed - self.ours

    @property
    def coverage(self) -> Decimal | None:
        """Share of the usage on the bill that charges of ours explain, 0 to 1; None for a bill without usage."""
        return Decimal(self.covered) / Decimal(self.used) if self.used > 0 else None

    def by_cause(self) -> dict[Cause, int]:
        sums: dict[Cause, int] = {}
        for one in self.variances:
            sums[one.cause] = sums.get(one.cause, 0) + one.money
        return sums
