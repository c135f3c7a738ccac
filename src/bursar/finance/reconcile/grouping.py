"""Pieces of differences, put together into findings that a person can act on, each with a proposal."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from bursar.domain.display import day as tell_day
from bursar.domain.money import plain
from bursar.finance.reconcile.causes import Cause, Piece
from bursar.finance.reconcile.result import Variance, VarianceCell

FEMTO = 1_000
_PER_MILLION = Decimal(1_000_000)
_BY_DAY = frozenset({Cause.MISSING, Cause.NOT_BILLED, Cause.THEIRS})
_BY_BILL = frozenset({Cause.ROUNDING, Cause.CURRENCY})

ACTIONS = {
    Cause.MISSING: "adjust",
    Cause.NOT_BILLED: "adjust",
    Cause.STALE_PRICE: "set_price",
    Cause.TIER: "adjust",
    Cause.BATCH: "adjust",
    Cause.CACHE_CLASS: "adjust",
    Cause.ROUNDING: "ignore",
    Cause.TAX: "none",
    Cause.CREDIT: "adjust",
    Cause.FEE: "adjust",
    Cause.CURRENCY: "adjust",
    Cause.TIMING: "none",
    Cause.NOT_THROUGH: "tag_key",
    Cause.THEIRS: "ask_vendor",
    Cause.UNPRICED: "set_price",
    Cause.ESTIMATED: "adjust",
    Cause.ASSUMED: "adjust",
    Cause.UNEXPLAINED: "ask_vendor",
}
POSTABLE = frozenset(cause for cause in Cause if cause not in (Cause.TAX, Cause.TIMING))
"""What may be posted to the books: tax has books of its own, and what stands on another day isn't missing."""


class Met(NamedTuple):
    """Ours behind the bill's names: keys by side, models by the bill's name of them."""

    credentials: Mapping[str, Sequence[str]]
    models: Mapping[str, Sequence[str]]


def put_together(pieces: Sequence[Piece], difference: int, provisional_from: date, met: Met) -> list[Variance]:
    """Findings, the largest first. difference: pico-USD that they add up to exactly; what rounding to whole pico leaves
    is rounding."""
    groups: dict[tuple[object, ...], list[Piece]] = defaultdict(list)
    for piece in pieces:
        groups[_group(piece)].append(piece)
    found, rest = [], difference
    for key, same in groups.items():
        if same[0].cause is Cause.ROUNDING:
            continue
        made = _variance(key, same, provisional_from)
        if made.money or any(cell.money for cell in made.cells):
            found.append(_with_ours(made, met))
            rest -= made.money
    if rest:
        rounding = [piece for piece in pieces if piece.cause is Cause.ROUNDING]
        found.append(_rounding(rounding, rest, pieces, provisional_from))
    return sorted(found, key=lambda one: (-abs(one.money), -_gross(one), one.first, one.variance_id))


def _with_ours(one: Variance, met: Met) -> Variance:
    keys, names = {cell.key for cell in one.cells}, {cell.model for cell in one.cells}
    return msgspec.structs.replace(
        one,
        credentials=sorted({credential for key in keys for credential in met.credentials.get(key, ())}),
        models=sorted({model for name in names for model in met.models.get(name, ())}),
    )


def _group(piece: Piece) -> tuple[object, ...]:
    """What makes pieces one finding."""
    about, cause = piece.about, piece.cause
    if cause in _BY_DAY:
        return cause, about.start, about.side, about.model, piece.note
    if cause in _BY_BILL:
        return (cause,)
    if cause in (Cause.TAX, Cause.CREDIT, Cause.FEE):
        return cause, piece.note
    if cause is Cause.NOT_THROUGH:
        return cause, about.side
    if cause is Cause.STALE_PRICE:
        return cause, about.model, piece.cell
    if cause is Cause.TIMING:
        return cause, about.side, about.model, piece.note
    if cause is Cause.UNPRICED:
        return cause, about.model
    if cause in (Cause.TIER, Cause.BATCH):
        other_tier = piece.other[1] if piece.other else piece.note
        return cause, about.side, about.model, piece.cell[1], other_tier
    if cause is Cause.CACHE_CLASS:
        return cause, about.side, about.model, piece.cell[0], piece.other
    return cause, about.side, about.model


def _variance(key: tuple[object, ...], same: Sequence[Piece], provisional_from: date) -> Variance:
    cells = [_cell(piece) for piece in sorted(same, key=lambda one: (one.about, one.cell))]
    money = round_half_even(sum(piece.money for piece in same))
    return _told(key, same[0].cause, cells, money, same[0].note, provisional_from)


def _rounding(same: Sequence[Piece], money: int, pieces: Sequence[Piece], provisional_from: date) -> Variance:
    cells = [_cell(piece) for piece in same]
    if not cells:  # only what became whole pico
        start = min((piece.about.start for piece in pieces), default=date(1970, 1, 1))
        cells = [VarianceCell(start, start + timedelta(days=1), "", "", "", "", money, Decimal(0))]
    return _told((Cause.ROUNDING,), Cause.ROUNDING, cells, money, "", provisional_from)


def _told(
    key: tuple[object, ...], cause: Cause, cells: list[VarianceCell], money: int, note: str, provisional_from: date
) -> Variance:
    left = money - sum(cell.money for cell in cells)
    if left:  # rounding each cell to whole pico
        last = cells[-1]
        cells[-1] = VarianceCell(
            last.start, last.end, last.key, last.model, last.unit, last.tier, last.money + left, last.quantity,
            last.our_price, last.their_price, last.other_unit, last.other_tier,
        )  # fmt: skip
    first, until = min(cell.start for cell in cells), max(cell.end for cell in cells)
    digest = blake2b(repr((str(cause), *map(str, key[1:]))).encode(), digest_size=6).hexdigest()
    return Variance(
        f"va_{digest}", cause, first, until - timedelta(days=1), _only(cells, "key"), _only(cells, "model"),
        _only(cells, "unit"), _only(cells, "tier"), money, sum((cell.quantity for cell in cells), Decimal(0)), note,
        proposal(cause, cells, note), ACTIONS[cause], until > provisional_from, cells,
    )  # fmt: skip


PROPOSALS = {
    Cause.MISSING: "Post it as an adjustment, and look for attempts that were lost",
    Cause.NOT_BILLED: "Wait for the next bill; if it isn't there either, post it back",
    Cause.CACHE_CLASS: "Post the difference: the provider counted these tokens in another class",
    Cause.ROUNDING: "Ignore it, or post it so that the sums are the same",
    Cause.TAX: "Nothing here: tax is kept apart from cost",
    Cause.CREDIT: "Post it, so that cost is what is paid",
    Cause.FEE: "Post it as a flat charge, or write it down as a contract",
    Cause.CURRENCY: "Post it as an exchange difference",
    Cause.TIMING: "Nothing: it stands on another day",
    Cause.NOT_THROUGH: "Say whose key it is, or lead it through Bursar; post it to have its cost in the books",
    Cause.THEIRS: "Ask the provider for the difference back",
    Cause.ESTIMATED: "Post the difference: the charges become reconciled",
    Cause.ASSUMED: "Post the difference: the charges become reconciled",
    Cause.UNEXPLAINED: "Import the detailed report of these days, then ask the provider",
}


def proposal(cause: Cause, cells: Sequence[VarianceCell], note: str) -> str:
    """What to do about it, in words."""
    one = cells[0]
    theirs = f"${plain((one.their_price * _PER_MILLION).normalize())} a million" if one.their_price is not None else ""
    ours = f"${plain((one.our_price * _PER_MILLION).normalize())}" if one.our_price is not None else ""
    match cause:
        case Cause.STALE_PRICE:
            since = tell_day(one.start, year=True)
            return f"Set the price to {theirs} from {since} on (here it is {ours}), and post what is past"
        case Cause.TIER | Cause.BATCH:
            return f"Post the difference, and see why {one.tier or note or 'another tier'} was served"
        case Cause.UNPRICED:
            return f"Set the price to {theirs}" if theirs else "Set a price"
    return PROPOSALS[cause]


def _cell(piece: Piece) -> VarianceCell:
    about, femto = piece.about, Decimal(1).scaleb(-15)
    unit, tier = piece.cell
    other_unit, other_tier = piece.other or ("", "")
    return VarianceCell(
        about.start, about.end, about.side, about.model, unit, tier, round_half_even(piece.money), piece.quantity,
        None if piece.our_price is None else piece.our_price * femto,
        None if piece.their_price is None else piece.their_price * femto, other_unit, other_tier,
    )  # fmt: skip


def _only(cells: Sequence[VarianceCell], name: str) -> str:
    values = {getattr(cell, name) for cell in cells}
    return values.pop() if len(values) == 1 else ""


def _gross(one: Variance) -> int:
    return sum(abs(cell.money) for cell in one.cells)


def round_half_even(femto: int) -> int:
    """Femto as whole pico."""
    whole, rest = divmod(femto, FEMTO)
    return whole + (rest > FEMTO // 2 or (rest == FEMTO // 2 and whole % 2 == 1))
