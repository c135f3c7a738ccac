"""Quantities that a bill doesn't say, from its money: at our price a quantity is a whole number, or the price is not
ours."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from bursar.finance.reconcile.cells import Cell, Family, Our
from bursar.finance.reconcile.explain import COARSE, FEMTO, Usual

RATIO_DAYS_MIN = 2
_NOTHING = Our()


def complete_quantities(families: Sequence[Family], usual: Usual) -> None:
    """Fill in what cells with money alone are most likely about.

    Where several days' money is off by one and the same factor, the price changed: the quantities are ours. Else the
    money over our price is a quantity if it is a whole number. Else the quantity is taken to be ours.
    """
    wanting: dict[tuple[str, Cell], list[Family]] = defaultdict(list)
    for family in families:
        for cell, their in family.theirs.items():
            if their.quantity is None and cell[0] not in COARSE:
                wanting[family.about.model, cell].append(family)
    for (model, cell), group in wanting.items():
        ratios = Counter(ratio for family in group if (ratio := _ratio(family, cell)) not in (None, 1))
        common = {ratio for ratio, days in ratios.items() if days >= RATIO_DAYS_MIN}
        for family in group:
            their, our = family.theirs[cell], family.ours.get(cell, _NOTHING)
            priced = our.quantity - our.unpriced
            price = Fraction(our.money, priced) if priced else usual.get((model, cell))
            their.quantity = Decimal(our.quantity)
            if not price or _ratio(family, cell) in common:
                continue
            exact = Fraction(their.money * FEMTO) / price
            if abs(round(exact) - exact) * price <= max(their.tolerance * FEMTO, FEMTO):
                their.quantity = Decimal(round(exact))


def _ratio(family: Family, cell: Cell) -> Fraction | None:
    our = family.ours.get(cell, _NOTHING)
    return Fraction(family.theirs[cell].money * FEMTO, our.money) if our.money and not our.unpriced else None
