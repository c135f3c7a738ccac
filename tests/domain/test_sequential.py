"""The sequential test: how often it stops where nothing differs, looked at all the time, and that it sees what does."""

from collections.abc import Callable
from math import log

import numpy as np
import numpy.typing as npt
import pytest

from bursar.domain.sequential import CALLS_MIN, METRICS, Arm, Metric, judge

Draw = Callable[[np.random.Generator, int], npt.NDArray[np.float64]]
ALPHA = 0.05
ERROR, LATENCY = METRICS[0], METRICS[2]
CALLS, WORLDS, LOOK_EVERY = 3_000, 200, 20


def verdicts(metric: Metric, control: Draw, candidate: Draw, percent: float, seed: int) -> list[str]:
    """What each world came to, when it is stopped at the first look that decides."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(WORLDS):
        in_trial = rng.random(CALLS) < percent / 100
        values = np.where(in_trial, candidate(rng, CALLS), control(rng, CALLS))
        sums = [[np.cumsum(arm), np.cumsum(values * arm), np.cumsum(values**2 * arm)] for arm in (~in_trial, in_trial)]
        found.append("")
        for at in range(LOOK_EVERY - 1, CALLS, LOOK_EVERY):
            arms = [Arm(int(one[0][at]), float(one[1][at]), float(one[2][at])) for one in sums]
            verdict = judge(metric, *arms, ALPHA).verdict
            if verdict:
                found[-1] = verdict
                break
    return found


def errors(rate: float) -> Draw:
    return lambda rng, count: (rng.random(count) < rate).astype(np.float64)


def latencies(mean_ms: float) -> Draw:
    return lambda rng, count: np.log1p(rng.exponential(mean_ms, count))


@pytest.mark.parametrize("percent", [5, 20, 50])
@pytest.mark.parametrize(
    ("metric", "draw"),
    [(ERROR, errors(0.002)), (ERROR, errors(0.01)), (ERROR, errors(0.05)), (ERROR, errors(0.4)),
     (LATENCY, latencies(1_000.0))],
    ids=["0.2% fail", "1% fail", "5% fail", "40% fail", "latency"],
)  # fmt: skip
def test_where_nothing_differs_it_stops_no_oftener_than_it_says(metric: Metric, draw: Draw, percent: float) -> None:
    stopped = [one for one in verdicts(metric, draw, draw, percent, seed=11) if one]
    assert len(stopped) <= ALPHA * WORLDS + 2 * (ALPHA * WORLDS) ** 0.5, len(stopped)  # and two deviations of luck
    assert stopped.count("worse") <= ALPHA * WORLDS


@pytest.mark.parametrize(
    ("metric", "control", "candidate", "verdict"),
    [
        (ERROR, errors(0.01), errors(0.08), "worse"),
        (ERROR, errors(0.08), errors(0.01), "better"),
        (LATENCY, latencies(1_000.0), latencies(1_600.0), "worse"),
    ],
)
def test_what_differs_is_seen(metric: Metric, control: Draw, candidate: Draw, verdict: str) -> None:
    found = verdicts(metric, control, candidate, 20, seed=5)
    assert found.count(verdict) >= 0.95 * WORLDS


def test_few_calls_and_values_that_never_scatter_decide_nothing() -> None:
    few = CALLS_MIN - 1
    assert judge(ERROR, Arm(5_000, 0, 0), Arm(few, few, few), ALPHA).verdict == ""
    assert judge(LATENCY, Arm(500, 500 * 2.0, 500 * 4.0), Arm(500, 500 * 3.0, 500 * 9.0), ALPHA).verdict == ""
    all_fail = judge(ERROR, Arm(5_000, 0, 0), Arm(200, 200, 200), ALPHA)
    assert all_fail.verdict == "worse"
    assert all_fail.evidence > log(1 / ALPHA)
