"""From runs and worlds to what is said of them."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from bursar.domain.money import usd_from_pico
from bursar.finance.scenarios.columns import ALL_STAY, Columns
from bursar.finance.scenarios.exact import total, whole_rounded
from bursar.finance.scenarios.notes import notes_of, notes_of_grounds
from bursar.finance.scenarios.payers import Grounds
from bursar.finance.scenarios.runs import NOTHING, Arrivals, Run, Sums, sums_of
from bursar.finance.scenarios.steps import Step
from bursar.finance.scenarios.tipping import tipping
from bursar.finance.scenarios.told import (
    THIN_BELOW,
    Amounts,
    Band,
    Comparison,
    CustomerTold,
    MonthTold,
    PastTold,
    PlanTold,
    ScenarioTold,
    Share,
    ViralTold,
)
from bursar.finance.scenarios.viral import middle, paying_off
from bursar.finance.scenarios.worlds import Floats, band
from bursar.finance.scenarios.written import write_steps

EDGES = (0.1, 0.25, 0.75, 0.9)
TURNED_MAX = 100
MILLIONTH, HUNDREDTH = Decimal("0.000001"), Decimal("0.01")
REVENUE, MARGIN, NEED, HEADS = range(4)


class Worlds(NamedTuple):
    """months: (runs, worlds, months, measures); plans: (runs, worlds, plans, measures), in the last month."""

    months: Floats
    plans: Floats


def tell(
    grounds: Grounds, base: Columns, months: Sequence[date], runs: Sequence[Run], worlds: Worlds, seed: int, count: int
) -> Comparison:
    """The first run is as it is."""
    told = [_scenario(base, months, runs, worlds, at) for at in range(len(runs))]
    return Comparison(
        currency=grounds.currency,
        base=list(grounds.months),
        past=[PastTold(one.month, usd_from_pico(one.revenue), usd_from_pico(one.margin)) for one in grounds.past],
        customers=len(base),
        free_customers=int(base.is_free.sum()),
        segments=[one for one in base.segments if one],
        unknown_customers=grounds.unknown_customers,
        unknown_ai_cost=usd_from_pico(grounds.unknown_ai_cost),
        unpriced=grounds.unpriced,
        seed=seed,
        worlds=count,
        as_is=told[0],
        scenarios=told[1:],
        notes=notes_of_grounds(grounds, base),
    )


def _scenario(base: Columns, months: Sequence[date], runs: Sequence[Run], worlds: Worlds, at: int) -> ScenarioTold:
    one, as_is = runs[at], runs[0]
    mine, theirs = worlds.months[at], worlds.months[0]
    told = []
    for place, month in enumerate(months):
        sums = one.sums[place]
        difference = mine[:, place, MARGIN] - theirs[:, place, MARGIN]
        told.append(
            MonthTold(
                month, _customers(one, place), amounts(sums, mine[:, place]),
                usd_from_pico(sums.margin - as_is.sums[place].margin), band_of(difference),
            )
        )  # fmt: skip
    whole = _sum(one.sums)
    together, before = mine.sum(axis=1), theirs.sum(axis=1)
    turned = turned_to_loss(base, one.last)
    steps = in_force(one)
    return ScenarioTold(
        name=one.scenario.name,
        text=write_steps(one.scenario.steps),
        months=told,
        whole=amounts(whole, together),
        change=usd_from_pico(whole.margin - _sum(as_is.sums).margin),
        change_band=band_of(together[:, MARGIN] - before[:, MARGIN]),
        plans=list(_plans(one, steps, worlds.plans[at])),
        tipping=msgspec.structs.replace(tipping(one.last, steps), price=None),
        turned=list(customers(base, one, turned[:TURNED_MAX].tolist())),
        turned_count=len(turned),
        losing=int((one.last.margin < 0).sum()),
        viral=[_viral(one, arrivals) for arrivals in one.arrivals],
        notes=notes_of(base, one),
    )


def in_force(one: Run) -> tuple[Step, ...]:
    """The steps of the last month."""
    return tuple(step for step, _ in one.keys[-1])  # type: ignore[misc]


def turned_to_loss(base: Columns, now: Columns) -> NDArray[np.intp]:
    """Rows of those who made a margin, or none, and lose now; the largest loss first."""
    rows = np.flatnonzero((base.margin >= 0) & (now.margin < 0))
    return rows[np.argsort(now.margin[rows], kind="stable")]


def customers(base: Columns, one: Run, rows: Iterable[int]) -> Iterator[CustomerTold]:
    """Each as they would be in the last month, beside as they are."""
    now, steps, was = one.last, in_force(one), base.margin
    for row in rows:
        alone = now.take(np.array([row]))
        sums = sums_of(alone)
        yield CustomerTold(
            customer=base.customers[row],
            plan=base.plans[int(base.plan[row])],
            segment=base.segments[int(base.segment[row])],
            is_free=bool(base.is_free[row]),
            revenue=usd_from_pico(sums.revenue),
            ai_cost=usd_from_pico(sums.ai_cost),
            other_cost=usd_from_pico(sums.other_cost),
            margin=usd_from_pico(sums.margin),
            was=usd_from_pico(int(was[row])),
            tipping=tipping(alone, steps),
        )


def _plans(one: Run, steps: tuple[Step, ...], worlds: Floats) -> Iterator[PlanTold]:
    """worlds: (worlds, plans, measures)."""
    now = one.last
    for at, plan in enumerate(now.plans):
        rows = np.flatnonzero(now.plan == at)
        has_heads = worlds[:, at, HEADS] > 0
        prices = np.maximum(worlds[has_heads, at, NEED], 0) / worlds[has_heads, at, HEADS]
        yield PlanTold(
            plan=plan,
            is_free=bool(now.is_free[rows].all()),
            customers=len(rows),
            staying=Decimal(total(now.stays[rows])) / ALL_STAY,
            losing=int((now.margin[rows] < 0).sum()),
            amounts=amounts(sums_of(now, rows), worlds[:, at]),
            tipping=tipping(now.take(rows), steps, band_of(prices) if len(prices) else None),
            is_thin=len(rows) < THIN_BELOW,
        )


def amounts(sums: Sums, worlds: Floats) -> Amounts:
    """worlds: (worlds, measures)."""
    share = None
    if sums.revenue > 0:
        has_revenue = worlds[:, REVENUE] > 0
        parts = 100 * worlds[has_revenue, MARGIN] / worlds[has_revenue, REVENUE]
        low, high = map(_statistic, band(parts, (EDGES[0], EDGES[-1]))) if len(parts) else (None, None)
        value = Decimal(whole_rounded(Fraction(sums.margin * 10_000, sums.revenue))).scaleb(-2)
        share = Share(value, low and low.quantize(HUNDREDTH), high and high.quantize(HUNDREDTH))
    return Amounts(
        usd_from_pico(sums.revenue), usd_from_pico(sums.ai_cost), usd_from_pico(sums.other_cost),
        usd_from_pico(sums.margin), band_of(worlds[:, MARGIN]), share,
    )  # fmt: skip


def band_of(worlds: Floats) -> Band:
    return Band(*map(_statistic, band(worlds, EDGES)))


def _statistic(value: float) -> Decimal:
    return Decimal(float(value)).quantize(MILLIONTH, ROUND_HALF_EVEN) + 0  # no negative zero


def _customers(one: Run, place: int) -> Decimal:
    new = sum((arrivals.waves[place].there(middle(arrivals.step)) for arrivals in one.arrivals), Fraction(0))
    there = Fraction(total(one.columns[one.keys[place]].stays), ALL_STAY) + new
    return (Decimal(there.numerator) / Decimal(there.denominator)).quantize(HUNDREDTH)


def _viral(one: Run, arrivals: Arrivals) -> ViralTold:
    cost = [ai + other for ai, other in zip(arrivals.ai, arrivals.other, strict=True)]
    share = paying_off(arrivals.step, arrivals.waves, cost, arrivals.price)
    return ViralTold(
        users=arrivals.step.users,
        cost=usd_from_pico(whole_rounded(cost[-1])),
        convert=(arrivals.step.convert_low + arrivals.step.convert_high) / 2,
        margin=usd_from_pico(_sum(arrivals.sums).margin),
        paying_off=None if share is None else Decimal(whole_rounded(share * 1_000_000)).scaleb(-4),
    )


def _sum(sums: Sequence[Sums]) -> Sums:
    whole = NOTHING
    for one in sums:
        whole = whole.plus(one)
    return whole
