"""Is the candidate worse? A test that may be looked at after every call, with one error rate over all looks.

A mixture sequential probability ratio test on the difference of two means: the evidence against "no difference" is
a likelihood ratio, averaged over effects around zero with spread `effect`. Under no difference the chance that it
*ever* exceeds 1/alpha is at most alpha, however often one looks (Ville's inequality), for normal means of known
variance. With estimated variances it holds asymptotically, so nothing is decided before each arm has CALLS_MIN calls,
and a rate's variance is smoothed by one success and one failure. `tests/domain/test_sequential.py` simulates the rate
of false stops.

Source: Johari, Pekelis, Walsh, "Always Valid Inference" (2015), section 5; Robbins (1970).
"""

from math import log
from typing import Literal, NamedTuple

CALLS_MIN = 100
Verdict = Literal["worse", "better", ""]


class Arm(NamedTuple):
    """What was seen of one arm. total, squares: the sums of the values and of their squares."""

    calls: int
    total: float
    squares: float

    @property
    def mean(self) -> float:
        return self.total / self.calls if self.calls else 0.0


class Metric(NamedTuple):
    """What is compared; more of it is worse. effect: the difference that matters. is_rate: values are 0 or 1."""

    name: str
    effect: float
    is_rate: bool = False


class Finding(NamedTuple):
    """difference: candidate less control. evidence: a likelihood ratio's logarithm; decided when above log(1/alpha)."""

    metric: str
    difference: float
    evidence: float
    verdict: Verdict


METRICS = (
    Metric("error", 0.02, is_rate=True),
    Metric("truncated", 0.02, is_rate=True),
    Metric("latency", 0.2),  # of the logarithm: 0.2 is a fifth slower
    Metric("cost", 0.2),
    Metric("dissatisfaction", 0.1),  # 1 less the score of a user's feedback
)
"""They share the error rate: each is tested at alpha divided by their number."""


def judge(metric: Metric, control: Arm, candidate: Arm, alpha: float) -> Finding:
    """The evidence so far that the candidate differs, and whether it is enough. alpha: this metric's own."""
    difference = candidate.mean - control.mean
    if min(control.calls, candidate.calls) < CALLS_MIN:
        return Finding(metric.name, difference, 0.0, "")
    variance = _variance(metric, control) + _variance(metric, candidate)
    if variance <= 0:  # all values of both arms alike: nothing is known of how they scatter
        return Finding(metric.name, difference, 0.0, "")
    spread = metric.effect**2
    evidence = 0.5 * log(variance / (variance + spread)) + spread * difference**2 / (2 * variance * (variance + spread))
    if evidence < log(1 / alpha):
        return Finding(metric.name, difference, evidence, "")
    return Finding(metric.name, difference, evidence, "worse" if difference > 0 else "better")


def _variance(metric: Metric, arm: Arm) -> float:
    """Of the arm's mean."""
    if metric.is_rate:
        rate = (arm.total + 1) / (arm.calls + 2)
        return rate * (1 - rate) / arm.calls
    return max(0.0, arm.squares / arm.calls - arm.mean**2) / (arm.calls - 1)
