"""How far each signal has been above what was expected of it, over one minute and over the last ones."""

import msgspec
import numpy as np

from bursar.watch.deviance import signed_deviate
from bursar.watch.expected import MEMORY_MINUTES, Bools, Expected
from bursar.watch.rates import CALLS, COST, IS_SHARE
from bursar.watch.stream_state import SPANS, StreamState
from bursar.watch.tails import Floats

INFLATION_MAX = 9.0
INFLATION_PRIOR_STEPS = 120.0
MANY = 10.0  # calls' worth expected in a span, from which deviates may be found smaller than they were thought to be
SQUARE_MIN = 0.25
NEAR_SPANS = 2


class Evidence(msgspec.Struct):
    """Of one minute, each (series, channels).

    statistic: the largest of the spans' deviates, in units of what they usually are. now: this minute's alone; near:
    the short spans'. times: amount by expected, over the span of the largest. seen: whether there was anything to look
    at;
    learned: and the series is grown, so that it teaches what is usual. lately: log of amount by expected over the last
    five minutes or so.
    """

    statistic: Floats
    now: Floats
    near: Floats
    times: Floats
    seen: Bools
    learned: Bools
    lately: Floats
    expected_lately: Floats


def weigh(state: StreamState, amounts: Floats, expected: Expected) -> Evidence:
    """Add a minute to the fading sums, and judge each.

    Deviations that last are added up, so that a small one that stays is seen as well as a large one that passes. Where
    the baseline is often wrong for a while (the sums' deviates are larger than independent minutes would make them),
    the deviates are made smaller by as much: by those above expectation, which is where alarms are.
    """
    seen = expected.units > 0
    relative = expected.high * np.where(IS_SHARE, np.clip(1.0 - expected.mean, 0.02, 1.0), 1.0)
    variance = expected.single * expected.high + expected.spread * relative**2
    lump = np.where(IS_SHARE, 1.0, 0.0) * np.ones_like(amounts)
    lump[:, CALLS] = 1.0
    lump[:, COST] = 0.5 * expected.single[:, COST]
    sums, inflation = state["sums"], state["inflation"]
    steady = seen & expected.grown
    steps = np.minimum(state["tail_steps"], MEMORY_MINUTES) + INFLATION_PRIOR_STEPS
    best = np.full(amounts.shape, -np.inf)
    near, first, times = best.copy(), best, np.ones(amounts.shape)
    lately = expected_lately = np.zeros(amounts.shape)
    for number, span in enumerate(SPANS):
        now, usual, spread, scale = amounts, expected.high, variance, expected.single
        if span > 1:
            fade = 1.0 - 1.0 / span
            part = sums[:, :, number - 1]
            part[..., 0] = fade * part[..., 0] + amounts
            part[..., 1] = fade * part[..., 1] + expected.high
            part[..., 2] = fade * fade * part[..., 2] + variance
            now, usual, spread = (part[..., at].astype(np.float64) for at in range(3))
            scale = expected.single / (1.0 + fade)
            if number == NEAR_SPANS - 1:
                lately, expected_lately = (np.log(np.maximum(one, 1e-12)) for one in (now, usual))
        beyond = np.maximum(spread - scale * usual, 0.0) / np.maximum(usual, 1e-12) ** 2
        deviate = signed_deviate(now, usual, scale, beyond + expected.doubt, lump)
        least = np.where(usual > MANY * scale, SQUARE_MIN, 1.0)
        usual_size = np.sqrt(np.maximum(inflation[:, :, number], least))
        judged = deviate / usual_size
        larger = judged > best
        times = np.where(larger, now / np.maximum(usual, 1e-12), times)
        best = np.where(larger, judged, best)
        if number < NEAR_SPANS:
            near = np.maximum(near, judged)
        square = np.where(deviate > 0, np.minimum(2.0 * deviate**2, INFLATION_MAX), 0.0)
        inflation[:, :, number] += np.where(steady, (square - inflation[:, :, number]) / steps, 0.0)
        if number == 0:
            first = judged
    return Evidence(
        np.where(seen, best, 0.0),
        np.where(seen, first, 0.0),
        np.where(seen, near, 0.0),
        times,
        seen,
        seen & expected.a_day_old,
        lately,
        expected_lately,
    )
