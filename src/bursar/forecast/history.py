"""The past of a whole and its parts, day by day, from the books."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

import msgspec
import numpy as np

from bursar.domain.periods import Bucket, parse_period, zone
from bursar.explore.filters import Filter
from bursar.explore.query import OTHER, Explorer
from bursar.forecast.course import Past
from bursar.forecast.models import Floats

HISTORY_DAYS = 90  # whole days, today not among them
PACE_DAYS = 28  # that say how much of a day's cost comes by which hour
PACE_DAYS_MIN = 3
PARTS_MAX = 200
MEASURE = "effective_cost"
_ZERO = Decimal(0)


class History(msgspec.Struct, frozen=True):
    """Effective cost, USD, of each local day.

    names:  the parts, largest first, `OTHER` last where there are more of them; they add up to everything.
    days:   (parts, whole days), the oldest first; the last of them is yesterday. so_far: of today, each part's.
    gone:   the share of a day's cost that usually has come by now, 0 to 1.
    one_offs: (parts, whole days and today), of these what nothing is learned from: entries that stand for no call. {}:
            there are none. By (part, day), numbers of both.
    """

    dimension: str
    today: date
    timezone: str
    names: list[str]
    days: list[list[Decimal]]
    so_far: list[Decimal]
    gone: float
    one_offs: Mapping[tuple[int, int], Decimal] = {}

    @property
    def dates(self) -> list[date]:
        """Of the whole days."""
        count = len(self.days[0]) if self.days else 0
        return [self.today - timedelta(days=count - at) for at in range(count)]

    def folded(self, top: int) -> "History":
        """The same with the `top` largest parts alone, and the rest in `OTHER`."""
        shown = [at for at, name in enumerate(self.names) if name != OTHER][:top]
        rest = [at for at in range(len(self.names)) if at not in shown]
        if not rest or (len(rest) == 1 and self.names[rest[0]] == OTHER):
            return self
        days = [[sum(column, _ZERO) for column in zip(*(self.days[at] for at in rest), strict=True)]]
        place = {at: shown.index(at) if at in shown else len(shown) for at in range(len(self.names))}
        one_offs: dict[tuple[int, int], Decimal] = {}
        for (part, day), amount in self.one_offs.items():
            one_offs[place[part], day] = one_offs.get((place[part], day), _ZERO) + amount
        return msgspec.structs.replace(
            self,
            names=[*(self.names[at] for at in shown), OTHER],
            days=[*(self.days[at] for at in shown), *days],
            so_far=[*(self.so_far[at] for at in shown), sum((self.so_far[at] for at in rest), _ZERO)],
            one_offs=one_offs,
        )

    def past(self, factors: Floats | None = None) -> Past:
        """As floats, for models, without one-offs. factors: what each amount is divided by, (parts, whole days and
        today)."""
        count = len(self.dates)
        usual = [[*row, today] for row, today in zip(self.days, self.so_far, strict=True)]
        for (part, day), amount in self.one_offs.items():
            usual[part][day] -= amount  # exactly, so that a day with nothing else is one of nothing
        known = np.array([[float(one) for one in row] for row in usual]).reshape(len(self.names), count + 1)
        days, so_far = known[:, :-1], known[:, -1]
        if factors is not None:
            days, so_far = days / factors[:, :-1], so_far / factors[:, -1]
        return Past(np.maximum(days, 0), np.maximum(so_far, 0), self.gone)  # a reversal isn't spending to come


def read_history(
    explorer: Explorer, now: datetime, timezone: str, dimension: str, filters: Sequence[Filter], top: int, gone: float,
    largest: Sequence[str] | None = None,
) -> History:  # fmt: skip
    """The parts are the `top` largest values of a dimension, or those named, and what is left. Raises BadQuery."""
    period = parse_period(f"{HISTORY_DAYS + 1}d", now, timezone)
    found = explorer.timeseries(
        period,
        grain="day",
        dimension=dimension,
        measure=MEASURE,
        filters=filters,
        top=min(top, PARTS_MAX),
        names=largest,
    )
    rows = [[_known(value) for value in row] for row in found.values or [found.totals]]
    names = found.names or [OTHER]
    return History(
        dimension,
        date.fromisoformat(found.buckets[-1].label),
        timezone,
        names,
        [row[:-1] for row in rows],
        [row[-1] for row in rows],
        gone,
        _one_offs(explorer.one_offs(period, ("day", dimension), filters=filters), names, found.buckets),
    )


def _one_offs(
    found: Mapping[tuple[str, ...], Decimal], names: Sequence[str], buckets: Sequence[Bucket]
) -> dict[tuple[int, int], Decimal]:
    """found: by day and value. A value that has no part of its own is in the rest, the last one."""
    parts = {name: at for at, name in enumerate(names)}
    days = {bucket.label: at for at, bucket in enumerate(buckets)}
    sums: dict[tuple[int, int], Decimal] = {}
    for (day, name), amount in found.items():
        at = parts.get(name or "", parts.get(OTHER))
        if at is not None:
            sums[at, days[day]] = sums.get((at, days[day]), _ZERO) + amount
    return sums


def share_gone(explorer: Explorer, now: datetime, timezone: str, filters: Sequence[Filter]) -> float:
    """The share of a day's cost that usually has come by this time of day; of the day itself, where little is known."""
    period = parse_period(f"{PACE_DAYS + 1}d", now, timezone)
    found = explorer.timeseries(period, grain="hour", measure=MEASURE, filters=filters)
    one_offs = explorer.one_offs(period, ("hour",), filters=filters)
    place = zone(timezone)
    local = period.end.astimezone(place)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    if (period.end - timedelta(microseconds=1)).astimezone(place).date() < local.date():
        return 1.0
    hour, part = local.hour, (local.minute * 60 + local.second) / 3_600
    come = all_day = 0.0
    days = set()
    for bucket, total in zip(found.buckets, found.totals, strict=True):
        at = bucket.start.astimezone(place)
        if bucket.start >= midnight:
            continue
        amount = max(float(_known(total) - one_offs.get((bucket.label,), _ZERO)), 0.0)
        all_day += amount
        come += amount * (1.0 if at.hour < hour else part if at.hour == hour else 0.0)
        if amount:
            days.add(at.date())
    if len(days) < PACE_DAYS_MIN:
        return (hour + part) / 24
    return come / all_day


def _known(value: object) -> Decimal:
    return value if isinstance(value, Decimal) else _ZERO
