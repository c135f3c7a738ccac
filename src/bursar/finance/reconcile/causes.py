"""Why a bill and our charges differ: the words for it, what each means, and what can be done."""

from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from bursar.finance.reconcile.cells import About, Cell


class Cause(StrEnum):
    """Each difference has one. The value is what pages, the API and exports say."""

    MISSING = "missing_attempt"
    NOT_BILLED = "not_billed"
    STALE_PRICE = "stale_price"
    TIER = "tier"
    BATCH = "batch"
    CACHE_CLASS = "cache_class"
    ROUNDING = "rounding"
    TAX = "tax"
    CREDIT = "credit"
    FEE = "fee"
    CURRENCY = "currency"
    TIMING = "timing"
    NOT_THROUGH = "not_through_bursar"
    THEIRS = "theirs"
    UNPRICED = "unpriced"
    ESTIMATED = "estimated"
    ASSUMED = "assumed"
    UNEXPLAINED = "unexplained"


WORDS = {
    Cause.MISSING: "Missing here",
    Cause.NOT_BILLED: "Not on the bill",
    Cause.STALE_PRICE: "Price differs",
    Cause.TIER: "Other service tier",
    Cause.BATCH: "Batch or not",
    Cause.CACHE_CLASS: "Other cache class",
    Cause.ROUNDING: "Rounding",
    Cause.TAX: "Tax",
    Cause.CREDIT: "Credit",
    Cause.FEE: "Flat charge",
    Cause.CURRENCY: "Exchange rate",
    Cause.TIMING: "Other day",
    Cause.NOT_THROUGH: "Not through Bursar",
    Cause.THEIRS: "Billed too much",
    Cause.UNPRICED: "No price here",
    Cause.ESTIMATED: "Estimated here",
    Cause.ASSUMED: "Assumed here",
    Cause.UNEXPLAINED: "Not explained",
}

UNCOVERED = frozenset({Cause.MISSING, Cause.NOT_THROUGH, Cause.THEIRS, Cause.UNEXPLAINED, Cause.FEE})
"""What a bill has and no charge of ours stands behind."""


class Piece(NamedTuple):
    """A part of a difference, of one cell. money: femto-USD, theirs less ours. quantity: units that differ (or whose
    price does). other: the cell that ours counted it as, where the two disagree; a price: ours, femto-USD a unit."""

    cause: Cause
    about: About
    cell: Cell
    money: int
    quantity: Decimal
    note: str = ""
    other: Cell | None = None
    their_price: Decimal | None = None
    our_price: Decimal | None = None
