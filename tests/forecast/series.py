"""Pasts that tests forecast from, and forecasts of them without a ledger."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np

from bursar.domain.plans import Plan, PlanTerms
from bursar.forecast.course import Course, Past, course_of
from bursar.forecast.history import History
from bursar.forecast.models import Floats
from bursar.forecast.report import forecast
from bursar.forecast.told import Forecast, Wish

TODAY = date(2026, 11, 16)


def course(days: object, *, so_far: object = None, gone: float = 0.0, ahead: int = 30) -> Course:
    """days: of one series, or of several."""
    known = np.atleast_2d(np.asarray(days, dtype=np.float64))
    today = np.zeros(len(known)) if so_far is None else np.atleast_1d(np.asarray(so_far, dtype=np.float64))
    return course_of(Past(known, today, gone), ahead)


def history_of(parts: dict[str, Sequence[float | Decimal]], so_far: Sequence[float] = (), gone: float = 0.0) -> History:
    """Parts of equally many days."""
    exact = [[Decimal(str(one)) for one in row] for row in parts.values()]
    today = [Decimal(str(one)) for one in (so_far or [0.0] * len(parts))]
    return History("feature", TODAY, "UTC", list(parts), exact, today, gone)


def forecast_of(history: History, *plans: PlanTerms, shares: Sequence[Floats] = (), growth: str = "") -> Forecast:
    """shares: of each plan; everything is in the scope of each where none are given."""
    kept = tuple(Plan(f"pl_{at}", f"plan {at}", terms, 0, "test") for at, terms in enumerate(plans))
    now = datetime.combine(TODAY, datetime.min.time(), UTC) + timedelta(hours=9)
    wish = Wish(now, "UTC", "feature", growth=Decimal(growth) if growth else None, plans=kept)
    return forecast(wish, history, list(shares) or [np.ones(len(history.names)) for _ in plans], [])
