"""What initiatives saved, month by month, from the books: measured like a cost take-out.

Whole days of UTC, up to yesterday. How, and what it can't know, is in docs/initiatives.md.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import msgspec

from bursar.advisor.initiatives_books import Books, start_of, until_of
from bursar.advisor.initiatives_comparison import Group, daily_of
from bursar.advisor.initiatives_flags import Flag, GuardReading, guard_figure, rising
from bursar.advisor.initiatives_portfolio import Part, Parts, Plan, Saving, saving_of, split
from bursar.advisor.initiatives_rates import NO_TREND, Trend, half_even, margin_of, rates_of, trend_of
from bursar.domain.errors import BadControl, BadQuery
from bursar.domain.initiatives import AUTO, Initiative, InitiativeTerms
from bursar.domain.money import usd_from_pico
from bursar.explore.unit_costs import Cell, check_mix, check_unit, read_scope
from bursar.ledger.store import Session

MARGIN_PLACES = Decimal("0.000001")
CENT = Decimal("0.01")
COMPARED, CARRIED, BEFORE_AFTER = "comparison", "carried", "before_after"
UNMEASURED = "unmeasured"


class MonthSaving(msgspec.Struct, frozen=True):
    """What one initiative saved in one month, USD.

    first, until: the days of it that were measured, [first, until). target: for those days.
    realised = expected - left; left = actual (what its calls cost) + handed (what later initiatives go on from).
    margin:   half the width of the 90 % interval; None: too few days to know.
    unit_cost_before, unit_cost_now: of its calls, at this month's mix; None: none that a later one doesn't measure.
    method:   `comparison`; `carried`: by the last trend that could be seen; `before_after`: without any;
              `unmeasured`: it was booked, and isn't this initiative's any more.
    trend:    the factor of what everyone's cost did, 1 without a comparison.
    new_calls, new_cost: of kinds that the baseline doesn't know, in none of the above. unpriced: attempts without cost.
    """

    month: str
    first: date
    until: date
    target: Decimal
    realised: Decimal
    margin: Decimal | None
    expected: Decimal
    actual: Decimal
    handed: Decimal
    units: Decimal
    unit_cost_before: Decimal | None
    unit_cost_now: Decimal | None
    method: str
    trend: float
    calls: int
    new_calls: int
    new_cost: Decimal
    unpriced: int

    @property
    def low(self) -> Decimal | None:
        return None if self.margin is None else self.realised - self.margin

    @property
    def high(self) -> Decimal | None:
        return None if self.margin is None else self.realised + self.margin


class Standing(msgspec.Struct, frozen=True):
    """One initiative as the books show it. months: none of a planned one. comparison: of what, or why of nothing."""

    initiative: Initiative
    months: list[MonthSaving]
    comparison: str
    drift: float | None
    guard: GuardReading | None
    flags: list[Flag]
    baseline_calls: int
    baseline_kinds: int

    @property
    def realised(self) -> Decimal:
        return sum((one.realised for one in self.months), Decimal(0))


def check_terms(terms: InitiativeTerms) -> None:
    """Raises BadControl for a scope, a unit, kinds of calls or a comparison that the books can't be asked for."""
    for field, check in (
        ("unit", lambda: check_unit(terms.unit)),
        ("mix", lambda: check_mix(terms.mix)),
        ("filters", lambda: read_scope(terms.filters)),
        ("comparison", lambda: read_scope([text for text in terms.comparison if text != AUTO])),
    ):
        try:
            check()
        except BadQuery as error:
            raise BadControl(f"{field}: {error.message}", field=field) from error


def measure(session: Session, dialect: str, initiatives: Sequence[Initiative], today: date) -> list[Standing]:
    """Every initiative, in the order given. today: the day (UTC) that isn't over yet.

    One that tells its calls apart too finely is not measured, and says so; what it touches is still nobody else's.
    """
    running = [one for one in initiatives if one.is_measured and start_of(one) < until_of(one, today)]
    running.sort(key=lambda one: one.order)
    asked = Books(session, dialect, running, today)
    too_fine, before = dict[int, str](), list[list[Cell]]()
    for at, one in enumerate(running):
        try:
            before.append(asked.baseline(one))
        except BadQuery as error:
            too_fine[at] = error.message
            before.append([])
    plans, parts = _shared(asked, running, before, too_fine)
    compared = [asked.comparison(one, plan) for one, plan in zip(running, plans, strict=True)]
    trends = [_trends(one.group, running[at], today) for at, one in enumerate(compared)]

    def trend(at: int, month: str) -> Trend:
        return _trend_in(trends[at], month) or NO_TREND

    savings = {key: saving_of(*key, part, plans, trend) for key, part in parts.items()}
    found: dict[str, Standing] = {}
    for at, one in enumerate(running):
        months = [
            _month(one, month, today, parts[at, month], savings[at, month], trends[at])
            for month in sorted(name for place, name in parts if place == at)
        ]
        reading = asked.guard(one)
        rates = plans[at].rates
        flags = _flags(one, months, reading, _by_day(at, parts, plans, trends[at]), bool(rates.by_stratum))
        if at in too_fine:
            months, flags = [], [Flag("too_fine", f"not measured: {too_fine[at]}")]
        found[one.initiative_id] = Standing(
            one, months, compared[at].why, compared[at].drift, reading, flags,
            sum(cell.calls for cell in before[at]), len(rates.by_stratum),
        )  # fmt: skip
    return [found.get(one.initiative_id, Standing(one, [], "", None, None, [], 0, 0)) for one in initiatives]


def _shared(
    asked: Books, running: Sequence[Initiative], before: list[list[Cell]], too_fine: dict[int, str]
) -> tuple[list[Plan], Parts]:
    """How each measures, and what each makes of the calls since. Where all together tell calls apart too finely, who
    does so most is too fine, again and again."""
    while running:
        mixes = [() if at in too_fine else one.terms.mix for at, one in enumerate(running)]
        mix = list(dict.fromkeys(name for names in mixes for name in names))
        units = list(dict.fromkeys(one.terms.unit for one in running))
        plans = [
            Plan(start_of(one), one.terms.baseline_from, rates_of(daily_of(found, range(len(names))), _calls_of(found)),
                 tuple(mix.index(name) for name in names), units.index(one.terms.unit))
            for one, found, names in zip(running, before, mixes, strict=True)
        ]  # fmt: skip
        try:
            return plans, split(plans, asked.since(mix, units))
        except BadQuery as error:
            left = {at: asked.fineness(one) for at, one in enumerate(running) if at not in too_fine}
            if not left:
                raise
            finest = max(left, key=lambda at: left[at])
            too_fine[finest], before[finest] = error.message, []
    return [], {}


def unmeasured(month: str) -> MonthSaving:
    """Nothing, of a month that has nothing of an initiative any more."""
    first = date.fromisoformat(f"{month}-01")
    zero = Decimal(0)
    return MonthSaving(
        month, first, (first + timedelta(days=32)).replace(day=1), zero, zero, zero, zero, zero, zero, zero, None, None,
        UNMEASURED, 1.0, 0, 0, zero, 0,
    )  # fmt: skip


def _month(
    one: Initiative, month: str, today: date, part: Part, saving: Saving, trends: Mapping[str, Trend]
) -> MonthSaving:
    first_of = date.fromisoformat(f"{month}-01")
    after = (first_of + timedelta(days=32)).replace(day=1)
    first, until = max(first_of, start_of(one)), min(after, until_of(one, today))
    share = Fraction((until - first).days, (after - first_of).days)
    margin, trend = margin_of(saving.influence, start_of(one)), _trend_in(trends, month)
    paid, expected = part.paid_pico, half_even(saving.expected)
    units = sum((count for count, _ in part.paid.values()), Fraction(0))
    handed = expected - saving.pico - paid  # so that the three add up to the pico, whatever was rounded
    alone = not part.handed and units > 0
    return MonthSaving(
        month=month,
        first=first,
        until=until,
        target=_decimal(Fraction(one.terms.target) * share, CENT),
        realised=usd_from_pico(saving.pico),
        margin=None if margin is None else Decimal(margin / 1e12).quantize(MARGIN_PLACES),
        expected=usd_from_pico(expected),
        actual=usd_from_pico(paid),
        handed=usd_from_pico(handed),
        units=_decimal(sum(part.gained.values(), Fraction(0)), MARGIN_PLACES),
        unit_cost_before=usd_from_pico(half_even(saving.expected / units)) if alone else None,
        unit_cost_now=usd_from_pico(half_even(Fraction(paid) / units)) if alone else None,
        method=BEFORE_AFTER if trend is None else COMPARED if month in trends else CARRIED,
        trend=1.0 if trend is None else float(trend.factor),
        calls=part.calls,
        new_calls=part.new_calls,
        new_cost=usd_from_pico(part.new_pico),
        unpriced=part.unpriced,
    )


def _flags(
    one: Initiative,
    months: Sequence[MonthSaving],
    guard: GuardReading | None,
    days: Sequence[tuple[date, float, float]],
    has_baseline: bool,
) -> list[Flag]:
    found = []
    if not has_baseline:
        found.append(Flag("no_baseline", "no kind of call was seen often enough in the baseline: nothing is measured"))
    if guard is not None and guard.is_past:
        found.append(Flag("guard", f"{guard.text}, past the limit of {guard_figure(guard.metric, guard.limit)}"))
    if one.status != "stopped" and (lost := rising(days)) is not None:
        found.append(
            Flag("rising", f"unit cost rises again: {lost[0]:.0%} was saved before, {lost[1]:.0%} in the last 7 days")
        )
    whole = [month for month in months if month.high is not None]
    if whole and whole[-1].high is not None and whole[-1].high < 0:
        found.append(Flag("not_saving", f"in {whole[-1].month} it surely cost more than it saved"))
    new_calls, unpriced = sum(one.new_calls for one in months), sum(one.unpriced for one in months)
    if new_calls:
        found.append(Flag("new_kinds", f"{new_calls} calls are of kinds that the baseline doesn't know: counted apart"))
    if unpriced:
        found.append(Flag("unpriced", f"{unpriced} attempts have no price: neither cost nor saving"))
    return found


def _by_day(at: int, parts: Parts, plans: Sequence[Plan], trends: dict[str, Trend]) -> list[tuple[date, float, float]]:
    """(day, expected, actual) of the calls that it alone measures, in pico."""
    expected: dict[date, float] = defaultdict(float)
    actual: dict[date, float] = defaultdict(float)
    rates = plans[at].rates.by_stratum
    for (place, month), part in parts.items():
        if place != at or part.handed:
            continue
        factor = float((_trend_in(trends, month) or NO_TREND).factor)
        for (day, kind), (units, pico) in part.paid.items():
            expected[day] += factor * float(rates[kind] * units)
            actual[day] += pico
    return [(day, expected[day], actual[day]) for day in sorted(expected)]


def _trends(group: Group | None, one: Initiative, today: date) -> dict[str, Trend]:
    """The trend of each month since the start; a month without calls to compare with has none."""
    if group is None:
        return {}
    rates = rates_of(group.before)
    by_month: dict[str, dict[tuple[date, tuple[str, ...]], tuple[Fraction, int]]] = defaultdict(dict)
    for (day, kind), cell in group.after.items():
        by_month[f"{day:%Y-%m}"][day, kind] = cell
    found = {month: trend_of(rates, daily) for month, daily in by_month.items()}
    return {month: trend for month, trend in found.items() if trend is not None}


def _trend_in(trends: Mapping[str, Trend], month: str) -> Trend | None:
    """A month's trend; where nothing is left to compare with, the last that was seen: a price that fell stays low."""
    before = [name for name in trends if name <= month]
    return trends[max(before)] if before else None


def _calls_of(found: Sequence[Cell]) -> dict[tuple[str, ...], int]:
    counted: dict[tuple[str, ...], int] = defaultdict(int)
    for cell in found:
        counted[cell.stratum] += cell.calls
    return counted


def _decimal(value: Fraction, places: Decimal) -> Decimal:
    return (Decimal(value.numerator) / Decimal(value.denominator)).quantize(places, ROUND_HALF_EVEN)
