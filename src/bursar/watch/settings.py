"""The one setting of detection, and what follows from it."""

from enum import StrEnum

import msgspec

MINUTES_A_WEEK = 7 * 24 * 60
SERIES_A_BUDGET = 100


class Sensitivity(StrEnum):
    """How many false alarms are accepted: a week, over a hundred series, all signals together."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


FALSE_ALARMS_A_WEEK = {Sensitivity.LOW: 0.1, Sensitivity.NORMAL: 1.0, Sensitivity.HIGH: 10.0}
STREAM_SHARE = 0.5
"""Of the accepted false alarms, what the minute clock may use; the hourly and the daily clock share the rest."""


class WatchSettings(msgspec.Struct, frozen=True):
    """sensitivity is all that is to be chosen. zone: the clock whose hours and weekends the traffic follows.

    new_spender_usd: what somebody new must have spent in its first day, beside its share of everything.
    """

    sensitivity: Sensitivity = Sensitivity.NORMAL
    zone: str = "UTC"
    new_spender_usd: float = 0.0

    def chance_a_step(self, share: float, steps_a_week: float, series: int) -> float:
        """The chance of any false alarm that one step over so many series may take."""
        accepted = FALSE_ALARMS_A_WEEK[self.sensitivity] * share * max(series, 1) / SERIES_A_BUDGET
        return accepted / steps_a_week
