"""Steps applied to columns: what customers would pay and cost in a month. Pure and exact.

Each step rounds once a customer (and group of models), half-even, to the pico. A factor of 1 changes nothing.
"""

import calendar
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction

import msgspec
import numpy as np

from bursar.domain.errors import BadScenario
from bursar.domain.money import PICO_PER_USD
from bursar.finance.scenarios.columns import ALL_STAY, Columns, Mask, is_of
from bursar.finance.scenarios.exact import Ints, scaled, times, total
from bursar.finance.scenarios.steps import (
    Churn,
    FreeLimit,
    Model,
    Overage,
    Price,
    PriceList,
    Step,
    Usage,
    Viral,
)

Held = tuple[Fraction, ...]
"""How much of a month each step holds: 0 before it, 1 after, between in the month of a price list's day."""


def held_in(steps: Sequence[Step], month: date) -> Held:
    """How much of this month each step holds; of months that say the same, all else is the same too."""
    return tuple(_share_of_month(step, month) for step in steps)


def apply(columns: Columns, steps: Sequence[Step], held: Held) -> Columns:
    """The columns with all steps that hold. Viral moments bring people who aren't customers yet: see `viral.py`.

    steps: in the order of `steps.ORDER`, as `read_steps` gives them. Raises BadScenario for a plan or segment that
    nobody has, and for shrinking more than there is.
    """
    paid_before = columns.revenue
    for step, share in zip(steps, held, strict=True):
        if share:
            columns = _one(columns, step, share, paid_before)
    return columns


def _one(columns: Columns, step: Step, share: Fraction, paid_before: Ints) -> Columns:
    match step:
        case Usage():
            return _usage(columns, step)
        case Model():
            return _model(columns, step)
        case PriceList():
            return _price_list(columns, step, share)
        case FreeLimit():
            return _free_limit(columns, step)
        case Price():
            return _price(columns, step)
        case Overage():
            return _overage(columns, step)
        case Churn():
            return _churn(columns, step, paid_before)
        case Viral():
            return columns


def _usage(columns: Columns, step: Usage) -> Columns:
    meant, factor = columns.meant(step), Fraction(step.factor)
    if step.heavy is not None:
        meant, factor = _heaviest(columns, meant, step.heavy, factor)
    return _used(columns, meant, factor.numerator, factor.denominator)


def _heaviest(columns: Columns, meant: Mask, percent: Decimal, factor: Fraction) -> tuple[Mask, Fraction]:
    """Who takes all of the change, and their own factor, so that all together change by `factor`."""
    cost = np.where(meant, columns.ai, 0)
    count = -(-int(meant.sum()) * Fraction(percent) // 100)  # rounded up: at least one
    order = np.argsort(-cost, kind="stable")[: int(count)]  # rows are sorted, so ties are the same each time
    top = np.zeros(len(columns), dtype=np.bool_)
    top[order] = True
    top &= meant
    whole, theirs = total(cost), total(cost[top])
    if not theirs:
        return top, Fraction(1)
    own = 1 + (factor - 1) * Fraction(whole, theirs)
    if own < 0:
        raise BadScenario(
            f"usage: the heaviest {percent} % have {float(100 * theirs / whole):.1f} % of the cost and can't shrink by "
            f"{float(100 * (1 - factor)):.4g} % of all: write a larger heavy=, or a factor nearer to 1",
            field="usage.heavy",
        )
    return top, own


def _used(columns: Columns, meant: Mask, over: int | Ints, under: int | Ints) -> Columns:
    """Those meant use `over / under` times as much: each their own, where these are columns."""
    wide = [one[:, None] if isinstance(one, np.ndarray) else one for one in (over, under)]
    return msgspec.structs.replace(
        columns,
        cost=_put(columns.cost, meant, times(columns.cost[meant], *wide)),
        calls=_put(columns.calls, meant, times(columns.calls[meant], over, under)),
        tokens=_put(columns.tokens, meant, times(columns.tokens[meant], over, under)),
    )


def _model(columns: Columns, step: Model) -> Columns:
    cost, source, target = columns.cost.copy(), columns.groups[step.model], columns.groups[step.to]
    moved = scaled(cost[:, source], Fraction(step.share) / 100)
    there = scaled(moved, Fraction(step.price) * Fraction(step.tokens))
    if there.dtype == object:
        cost = cost.astype(object)
    cost[:, source] -= moved
    cost[:, target] += there
    return msgspec.structs.replace(columns, cost=cost)


def _price_list(columns: Columns, step: PriceList, share: Fraction) -> Columns:
    touched = sorted({group for model, group in columns.groups.items() if is_of(model, step.of)})
    factor, cost = 1 + Fraction(step.percent) / 100 * share, columns.cost
    for group in touched:
        raised = scaled(cost[:, group], factor)
        cost = cost.astype(object) if raised.dtype == object else cost.copy()
        cost[:, group] = raised
    return msgspec.structs.replace(columns, cost=cost)


def _free_limit(columns: Columns, step: FreeLimit) -> Columns:
    used = columns.units(step.unit)
    over = columns.meant(step) & columns.is_free & (used > step.limit)
    if not over.any():
        return columns
    converting = Fraction(step.convert) / 100
    paid = scaled(np.full(int(over.sum()), _pico(step.price)), converting)
    columns = msgspec.structs.replace(columns, revenue=_put(columns.revenue, over, columns.revenue[over] + paid))
    theirs = used[over].astype(object)  # their share of use: all for those who convert, up to the limit for the others
    kept = converting.numerator * theirs + (converting.denominator - converting.numerator) * step.limit
    return _used(columns, over, kept, converting.denominator * theirs)


def _price(columns: Columns, step: Price) -> Columns:
    meant = columns.billed(step)
    if step.to is None:
        paid = scaled(columns.revenue[meant], 1 + Fraction(step.percent or 0) / 100)
    else:
        paid = np.full(int(meant.sum()), _pico(step.to))
    return msgspec.structs.replace(columns, revenue=_put(columns.revenue, meant, paid))


def _overage(columns: Columns, step: Overage) -> Columns:
    meant = columns.billed(step)
    above = np.maximum(columns.units(step.unit)[meant] - step.included, 0)
    billed = times(above, _pico(step.price), 1)
    return msgspec.structs.replace(columns, extra=_put(columns.extra, meant, columns.extra[meant] + billed))


def _churn(columns: Columns, step: Churn, paid_before: Ints) -> Columns:
    """Who pays more than before leaves in part. Who paid nothing before can't be told by an elasticity: they stay."""
    rise = columns.earned - paid_before
    dearer = (rise > 0) & (paid_before > 0)
    if not dearer.any() or not step.elasticity:
        return columns
    elasticity = Fraction(step.elasticity)
    leaving = times(
        rise[dearer].astype(object) * elasticity.numerator, ALL_STAY, paid_before[dearer] * elasticity.denominator
    )
    staying = (ALL_STAY - np.minimum(leaving, ALL_STAY)).astype(np.int64)
    columns = _used(columns, dearer, staying, ALL_STAY)

    def kept(column: Ints) -> Ints:
        return _put(column, dearer, times(column[dearer], staying, ALL_STAY))

    return msgspec.structs.replace(
        columns, revenue=kept(columns.revenue), extra=kept(columns.extra), other=kept(columns.other),
        stays=kept(columns.stays),
    )  # fmt: skip


def _share_of_month(step: Step, month: date) -> Fraction:
    if isinstance(step, Viral):
        return Fraction(0)  # it changes no customer
    since = getattr(step, "since", None)
    if since is None or since <= month:
        return Fraction(1)
    days = calendar.monthrange(month.year, month.month)[1]
    same = (since.year, since.month) == (month.year, month.month)
    return Fraction(days - since.day + 1, days) if same else Fraction(0)


def _pico(amount: Decimal) -> int:
    return int(amount * PICO_PER_USD)


def _put(column: Ints, meant: Mask, values: Ints) -> Ints:
    """A copy with other values where meant."""
    made = column.astype(object) if values.dtype == object and column.dtype != object else column.copy()
    made[meant] = values
    return made
