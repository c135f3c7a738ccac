"""The differences of one family, taken apart cell by cell. Every femto-dollar of its difference ends up in one piece.

Our own estimates come first: they can explain any cell. Then usage that moved to another tier or cache class, since
that explains two cells at once; then lines that say a thing twice. What is left of quantities waits for the days around
(`across.py`), what is left at equal quantities is a question of prices.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from itertools import product
from typing import NamedTuple

from bursar.domain.usage import Unit
from bursar.finance.reconcile.bill import BATCH
from bursar.finance.reconcile.causes import Cause, Piece
from bursar.finance.reconcile.cells import ALL, ALL_INPUT, ALL_OUTPUT, About, Cell, Family, Our, Their

CACHE_CLASSES = (Unit.INPUT, Unit.CACHE_READ, Unit.CACHE_WRITE_5M, Unit.CACHE_WRITE_1H)
ESTIMATE_FACTOR, ESTIMATE_SLACK = 4, 64
"""How far the truth may be from a quantity that was estimated from bytes, for the estimate to be the explanation."""
COARSE = (ALL, ALL_INPUT, ALL_OUTPUT)
FEMTO = 1_000

Usual = Mapping[tuple[str, Cell], Fraction]
"""Our price, femto-USD a unit, of a model and cell anywhere on the bill."""


class Question(NamedTuple):
    """The same quantity at two prices. money: femto-USD; prices: femto-USD a unit. is_sum: `quantity` counts nothing,
    since the bill says money alone."""

    about: About
    cell: Cell
    quantity: Fraction
    our_price: Fraction
    their_price: Fraction
    money: int
    models: tuple[str, ...]
    is_sum: bool = False


@dataclass(slots=True)
class Residual:
    """Quantities of a family that one side has and the other hasn't, by cell, and what they are worth in femto-USD.
    by_money: the vector counts money, since the bill says no quantities."""

    about: About
    vector: dict[Cell, Fraction]
    money: dict[Cell, int]
    models: tuple[str, ...]
    by_money: bool = False


@dataclass(slots=True)
class Explained:
    pieces: list[Piece] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    agreed: list[tuple[About, Cell]] = field(default_factory=list)  # cells whose prices are the same
    residual: Residual | None = None


class _Worth(NamedTuple):
    """What a unit of a cell is worth on each side, and which of them counts where the quantities differ."""

    ours: Fraction | None
    theirs: Fraction | None
    more: Fraction  # for what they have and we haven't
    less: Fraction


def explain(family: Family, usual: Usual) -> Explained:
    """Take one family apart. Cells that say no quantity were completed before (`infer.py`), or are of all classes."""
    found = Explained()
    _spread_other(family, found)
    cells = list(dict.fromkeys((*family.theirs, *family.ours)))
    if any(cell[0] in COARSE for cell in family.theirs):
        _explain_sums(family, found)
        return found
    worth = {cell: _worth(family, cell, usual) for cell in cells}
    gaps = {cell: _their_quantity(family, cell) - _our(family, cell).quantity for cell in cells}
    by_cell: dict[Cell, int] = dict.fromkeys(cells, 0)  # femto-USD that quantities explain so far
    is_estimate = _is_estimate(family, {cell: gap for cell, gap in gaps.items() if gap})
    if not is_estimate:
        _find_moves(family, gaps, worth, by_cell, found)
        _find_copies(family, gaps, worth, by_cell, found)
    residual = {cell: gap for cell, gap in gaps.items() if gap}
    money = {cell: _value(gap, worth[cell]) for cell, gap in residual.items()}
    for cell in cells:
        _settle_prices(family, cell, worth[cell], by_cell[cell] + money.get(cell, 0), found)
    if residual and (is_estimate or _is_estimate(family, residual)):
        for cell, gap in residual.items():
            found.pieces.append(Piece(Cause.ESTIMATED, family.about, cell, money[cell], _plain(gap)))
        residual, money = {}, {}
    _settle_assumed(family, residual, money, found)
    if residual:
        found.residual = Residual(family.about, residual, money, tuple(sorted(family.models)))
    return found


def _worth(family: Family, cell: Cell, usual: Usual) -> _Worth:
    our, their = _our(family, cell), family.theirs.get(cell)
    priced = our.quantity - our.unpriced
    ours = Fraction(our.money, priced) if priced else usual.get((family.about.model, cell))
    theirs = None
    if their is not None and their.quantity:
        theirs = Fraction(their.money * FEMTO) / Fraction(their.quantity)
        if ours is not None and abs(their.money * FEMTO - ours * Fraction(their.quantity)) <= their.tolerance * FEMTO:
            return _Worth(ours, theirs, ours, ours)
    best = theirs if theirs is not None else ours or Fraction(0)
    return _Worth(ours, theirs, best, ours if ours is not None else best)


def _find_moves(
    family: Family, gaps: dict[Cell, Fraction], worth: Mapping[Cell, _Worth], by_cell: dict[Cell, int], found: Explained
) -> None:
    """Usage that we counted in one cell and they in another: other tiers of a class, then other cache classes."""
    cells = list(gaps)
    for same, cause in ((0, Cause.TIER), (1, Cause.CACHE_CLASS)):
        for ours, theirs in product(cells, cells):
            if ours == theirs or ours[same] != theirs[same] or gaps[ours] >= 0 or gaps[theirs] <= 0:
                continue
            if same == 1 and not (ours[0] in CACHE_CLASSES and theirs[0] in CACHE_CLASSES):
                continue
            moved = min(-gaps[ours], gaps[theirs])
            gaps[ours] += moved
            gaps[theirs] -= moved
            gained, lost = _rounded(moved * worth[theirs].more), _rounded(moved * worth[ours].less)
            by_cell[theirs] += gained
            by_cell[ours] -= lost
            is_batch = same == 0 and BATCH in (ours[1], theirs[1])
            found.pieces.append(
                Piece(
                    Cause.BATCH if is_batch else cause, family.about, theirs, gained - lost, _plain(moved), other=ours,
                    their_price=_plain(worth[theirs].more), our_price=_plain(worth[ours].less),
                )
            )  # fmt: skip


def _find_copies(
    family: Family, gaps: dict[Cell, Fraction], worth: Mapping[Cell, _Worth], by_cell: dict[Cell, int], found: Explained
) -> None:
    """Lines that say a thing twice, where exactly that much is too much."""
    for cell, their in family.theirs.items():
        copies = [
            Fraction(quantity)
            if quantity
            else (Fraction(money * FEMTO) / worth[cell].more if worth[cell].more else Fraction(0))
            for quantity, money in their.copies
        ]
        whole = sum(copies, Fraction(0))
        if copies and whole and gaps[cell] == whole:
            gaps[cell] = Fraction(0)
            value = _rounded(whole * worth[cell].more)
            by_cell[cell] += value
            note = "a line of the bill is there twice" if len(copies) == 1 else "lines of the bill are there twice"
            found.pieces.append(Piece(Cause.THEIRS, family.about, cell, value, _plain(whole), note))


def _settle_prices(family: Family, cell: Cell, worth: _Worth, by_quantity: int, found: Explained) -> None:
    """What is left of a cell once its quantities are explained: no price, another price, rounding."""
    our, their = _our(family, cell), family.theirs.get(cell, _NONE)
    left = their.money * FEMTO - our.money - by_quantity
    shared = min(Fraction(our.quantity), _their_quantity(family, cell))
    if our.unpriced and shared:
        unpriced = min(Fraction(our.unpriced), shared)
        value = _rounded(unpriced * worth.more) if our.unpriced < our.quantity else left
        price = _plain(worth.theirs) if worth.theirs is not None else None
        found.pieces.append(
            Piece(Cause.UNPRICED, family.about, cell, value, _plain(unpriced), their_price=price)
        )  # fmt: skip
        left -= value
        shared -= unpriced
    if abs(left) <= max(their.tolerance * FEMTO, FEMTO):
        if left:
            found.pieces.append(Piece(Cause.ROUNDING, family.about, cell, left, Decimal(0)))
        if shared:
            found.agreed.append((family.about, cell))
        return
    if not shared or worth.ours is None:  # money without any quantity on one of the sides
        cause = Cause.MISSING if left > 0 else Cause.NOT_BILLED
        found.pieces.append(Piece(cause, family.about, cell, left, Decimal(0)))
        return
    found.questions.append(
        Question(
            family.about, cell, shared, worth.ours, worth.ours + Fraction(left) / shared, left,
            tuple(sorted(family.models)),
        )
    )  # fmt: skip


def _settle_assumed(family: Family, residual: dict[Cell, Fraction], money: dict[Cell, int], found: Explained) -> None:
    """Bounds that stand in for attempts we never heard back from: what the bill has more is what they came to."""
    if not family.assumed:
        return
    more = {cell: value for cell, value in money.items() if residual[cell] > 0}
    whole = sum(more.values())
    if whole > family.assumed:  # no bound is ever below the truth, so there is something else as well
        more = {}
        whole = 0
    quantity = sum((residual[cell] for cell in more), Fraction(0))
    cell = next(iter(more), (ALL, ""))
    found.pieces.append(Piece(Cause.ASSUMED, family.about, cell, whole - family.assumed, _plain(quantity)))
    for one in more:
        del residual[one], money[one]


def _explain_sums(family: Family, found: Explained) -> None:
    """Money that the bill doesn't tell by class: the family as one cell."""
    money = family.their_money * FEMTO - sum(our.money for our in family.ours.values())
    cell = next(cell for cell in family.theirs if cell[0] in COARSE)
    tolerance = sum(their.tolerance for their in family.theirs.values()) * FEMTO
    ours = list(family.ours.values())
    models = tuple(sorted(family.models))
    gap = {
        (word, ""): gap
        for word in (ALL_INPUT, ALL_OUTPUT)
        if family.evidence and (gap := Fraction(family.evidence.get(word, 0)) - family.our_evidence.get(word, 0))
    }
    if family.assumed and 0 <= money <= family.assumed:
        found.pieces.append(Piece(Cause.ASSUMED, family.about, cell, money - family.assumed, Decimal(0)))
        return
    if family.assumed:
        found.pieces.append(Piece(Cause.ASSUMED, family.about, cell, -family.assumed, Decimal(0)))
    if abs(money) <= max(tolerance, FEMTO):
        if money:
            found.pieces.append(Piece(Cause.ROUNDING, family.about, cell, money, Decimal(0)))
        else:
            found.agreed.append((family.about, cell))
    elif any(our.unpriced for our in ours):
        unpriced = Decimal(sum(our.unpriced for our in ours))
        found.pieces.append(Piece(Cause.UNPRICED, family.about, cell, money, unpriced))
    elif any(our.doubtful for our in ours) and (gap or not family.evidence):
        found.pieces.append(Piece(Cause.ESTIMATED, family.about, cell, money, _plain(sum(gap.values(), Fraction(0)))))
    elif gap:
        shares = _shares(money, gap)
        found.residual = Residual(family.about, gap, shares, models)
    elif not sum(our.money for our in ours):
        found.residual = Residual(family.about, {cell: Fraction(money)}, {cell: money}, models, by_money=True)
    else:
        our_money = sum(our.money for our in ours)
        quantity = Fraction(sum(family.our_evidence.values())) if family.evidence else Fraction(1)
        found.questions.append(
            Question(
                family.about, cell, quantity, our_money / quantity, Fraction(our_money + money) / quantity, money,
                models, is_sum=not family.evidence,
            )
        )  # fmt: skip


def _shares(money: int, gap: Mapping[Cell, Fraction]) -> dict[Cell, int]:
    """Money over the cells that differ; the last takes what rounding leaves."""
    whole = sum(abs(value) for value in gap.values())
    shares = {cell: _rounded(money * abs(value) / whole) for cell, value in gap.items()}
    last = list(gap)[-1]
    shares[last] += money - sum(shares.values())
    return shares


def _spread_other(family: Family, found: Explained) -> None:
    """Money of ours beside any class (a contract's discount, an adjustment) over the classes it is about."""
    priced = [our for our in family.ours.values() if our.money]
    if not family.other:
        return
    whole = sum(our.money for our in priced)
    if not priced or not whole:
        found.pieces.append(Piece(Cause.NOT_BILLED, family.about, (ALL, ""), -family.other, Decimal(0)))
    else:
        given = so_far = 0
        for our in priced:
            so_far += our.money
            upto = family.other * so_far // whole
            our.money += upto - given
            given = upto
    family.other = 0


def _is_estimate(family: Family, residual: Mapping[Cell, Fraction]) -> bool:
    """Whether our own estimates may be what differs: in each cell that does, and not beyond belief."""
    for cell, gap in residual.items():
        doubtful = _our(family, cell).doubtful
        if not doubtful or not 0 <= doubtful + gap <= ESTIMATE_FACTOR * doubtful + ESTIMATE_SLACK:
            return False
    return True


_NONE = Their()
_NOTHING = Our()


def _our(family: Family, cell: Cell) -> Our:
    return family.ours.get(cell, _NOTHING)


def _their_quantity(family: Family, cell: Cell) -> Fraction:
    their = family.theirs.get(cell)
    return Fraction(their.quantity or 0) if their is not None else Fraction(0)


def _value(gap: Fraction, worth: _Worth) -> int:
    return _rounded(gap * (worth.more if gap > 0 else worth.less))


def _rounded(money: Fraction) -> int:
    return round(money)


def _plain(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)


def usual_prices(families: Sequence[Family]) -> dict[tuple[str, Cell], Fraction]:
    """Our price of each model and cell: that of the largest quantity."""
    most: dict[tuple[str, Cell], tuple[int, Fraction]] = {}
    for family in families:
        for cell, our in family.ours.items():
            priced = our.quantity - our.unpriced
            key = (family.about.model, cell)
            if priced > 0 and priced > most.get(key, (0, Fraction(0)))[0]:
                most[key] = (priced, Fraction(our.money, priced))
    return {key: price for key, (_, price) in most.items()}
