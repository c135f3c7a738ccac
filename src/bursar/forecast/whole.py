"""The whole beside its parts: forecast by itself and as their sum, and whichever of the two was nearer is believed."""

import numpy as np

from bursar.forecast.backtest import BackTest, believed
from bursar.forecast.models import Floats

BY_ITSELF_WORSE = 0.2  # of a logarithm; on real tenants a whole by itself was half as far off again as their sum


def whole_test(own: BackTest, parts: list[BackTest]) -> BackTest:
    """The back-test of the whole, judged by sums of days: what a month comes to is asked of it.

    own: of its one series; parts: of ways to split it, each of which adds up to it.

    `choice` is 0 for last week again, 1 for the whole by itself, then the sums of the parts, in order.
    """
    by_parts = [one.said.sum(axis=1, keepdims=True) for one in parts]
    told = np.stack([own.naive, own.said, *by_parts], axis=1)
    known = own.origins[-1] + 1 if own.origins else 0
    sums, choice = believed(np.cumsum(told, axis=3), np.cumsum(own.was, axis=2), own.origins, known, BY_ITSELF_WORSE)
    return BackTest(own.origins, choice, np.diff(sums, axis=2, prepend=0), own.naive, own.was)


def whole_by(choice: int, naive: Floats, own: Floats, sums: list[Floats]) -> Floats:
    """What is believed of the whole. All (days ahead,)."""
    return [naive, own, *sums][choice]


def brought_together(parts: Floats, whole: Floats, shares: Floats) -> Floats:
    """Parts, (parts, days ahead), scaled so that each day's add up to the whole's.

    shares: of each part in what was spent lately, for days of which the parts say nothing while the whole does.
    """
    sums = parts.sum(axis=0)
    says = sums > 0
    scaled = parts * np.where(says, whole / np.where(says, sums, 1), 0)
    return scaled + np.where(says, 0, whole) * shares[:, None]
