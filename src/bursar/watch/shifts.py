"""Where a series' level changed (PELT), and how it grows (Theil and Sen's slope), of one series at a time."""

import math

import numpy as np

from bursar.watch.tails import Floats

PAIRS_MAX = 20_000


def change_points(values: Floats, variances: Floats, penalty: float, shortest: int = 2) -> list[int]:
    """The starts of the segments after the first that explain the values best, each change costing `penalty`.

    values, variances: (steps,), without gaps. Optimal for piecewise constant means with known variances, by pruned
    exact
    search: a start that can't become the last change any more is dropped, so that time grows with the length alone.
    Source: Killick, Fearnhead and Eckley, "Optimal detection of changepoints with a linear computational cost", JASA
    2012.
    """
    n = len(values)
    if n < 2 * shortest:
        return []
    weights = 1.0 / variances
    sum_w = np.concatenate([[0.0], np.cumsum(weights)])
    sum_wx = np.concatenate([[0.0], np.cumsum(weights * values)])
    sum_wxx = np.concatenate([[0.0], np.cumsum(weights * values**2)])
    best = np.full(n + 1, np.inf)
    best[0] = -penalty
    previous = np.zeros(n + 1, np.intp)
    starts, kept_until = np.array([0]), np.array([n + 1])
    for end in range(shortest, n + 1):
        moment, weight = sum_wx[end] - sum_wx[starts], sum_w[end] - sum_w[starts]
        cost = best[starts] + sum_wxx[end] - sum_wxx[starts] - moment**2 / weight
        at = int(np.argmin(cost))
        best[end], previous[end] = cost[at] + penalty, starts[at]
        # who is beaten now stays beaten by a change here, once a segment from here is long enough
        kept_until = np.where(cost > best[end], np.minimum(kept_until, end + shortest - 1), kept_until)
        starts, kept_until = starts[kept_until > end], kept_until[kept_until > end]
        opened = end - shortest + 1
        if opened >= shortest:
            starts, kept_until = np.append(starts, opened), np.append(kept_until, n + 1)
    points: list[int] = []
    end = n
    while (start := int(previous[end])) > 0:
        points.append(start)
        end = start
    return points[::-1]


def robust_slope(times: Floats, values: Floats) -> tuple[float, float]:
    """The median slope of all pairs of points, and how many standard normal deviates their order is from none.

    times, values: (points,), finite. The deviate is Mann and Kendall's, without ties.
    """
    n = len(values)
    if n < 3:
        return 0.0, 0.0
    left, right = np.triu_indices(n, 1)
    if len(left) > PAIRS_MAX:
        every = -(-len(left) // PAIRS_MAX)
        left, right = left[::every], right[::every]
    slope = float(np.median((values[right] - values[left]) / (times[right] - times[left])))
    concordant = float(np.sign(values[right] - values[left]).mean()) * n * (n - 1) / 2
    return slope, concordant / math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
