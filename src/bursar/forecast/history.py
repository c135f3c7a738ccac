"""The past of a whole and its parts, day by day, from the books."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

import msgspec
import numpy as np

from bursar.domain.periods import parse_period, zone
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
    """

    dimension: str
    today: date
    timezone: str
    names: list[str]
    days: list[list[Decimal]]
    so_far: list[Decimal]
    gone: float

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
        return msgspec.structs.replace(
            self,
            names=[*(self.names[at] for at in shown), OTHER],
            days=[*(self.days[at] for at in shown), *days],
            so_far=[*(self.so_far[at] for at in shown), sum((self.so_far[at] for at in rest), _ZERO)],
        )

    def past(self, factors: Floats | None = None) -> Past:
        """As floats, for models. factors: what each amount is divided by, (parts, whole days and today)."""
        shape = (len(self.names), len(self.dates))
        days = np.array([[float(one) for one in row] for row in self.days]).reshape(shape)
        so_far = np.array([float(one) for one in self.so_far])
        if factors is not None:
            days, so_far = days / factors[:, :-1], so_far / factors[:, -1]
        return Past(np.maximum(days, 0), np.maximum(so_far, 0), self.gone)  # a reversal isn't spending to come


def read_history(
    explorer: Explorer, now: datetime, timezone: str, dimension: str, filters: Sequence[Filter], top: int, gone: float
) -> History:
    """The parts are the `top` largest values of a dimension, and what is left. Raises BadQuery."""
    period = parse_period(f"{HISTORY_DAYS + 1}d", now, timezone)
    found = explorer.timeseries(
        period, grain="day", dimension=dimension, measure=MEASURE, filters=filters, top=min(top, PARTS_MAX)
    )
    rows = [[_known(value) for value in row] for row in found.values or [found.totals]]
    return History(
        dimension,
        date.fromisoformat(found.buckets[-1].label),
        timezone,
        found.names or [OTHER],
        [row[:-1] for row in rows],
        [row[-1] for row in rows],
        gone,
    )


def share_gone(explorer: Explorer, now: datetime, timezone: str, filters: Sequence[Filter]) -> float:
    """The share of a day's cost that usually has come by this time of day; of the day itself, where little is known."""
    period = parse_period(f"{PACE_DAYS + 1}d", now, timezone)
    found = explorer.timeseries(period, grain="hour", measure=MEASURE, filters=filters)
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
        amount = max(float(_known(total)), 0.0)
        all_day += amount
        come += amount * (1.0 if at.hour < hour else part if at.hour == hour else 0.0)
        if amount:
            days.add(at.date())
    if len(days) < PACE_DAYS_MIN:
        return (hour + part) / 24
    return come / all_day


def _known(value: object) -> Decimal:
    return value if isinstance(value, Decimal) else _ZERO
