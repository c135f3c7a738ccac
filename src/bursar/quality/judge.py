"""How good weights are on examples that they never saw: cost saved against accuracy kept, beside honest baselines.

Baselines: `random` sends the same share of calls to the cheap model by lot (a straight line); `length` takes the
shortest first; `oracle` knows which calls the cheap model fails. Intervals are 95 %, by bootstrap over the examples.
What is saved depends on what calls cost: it is told for calls that cost alike, and for a cost that goes with length.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from bursar.domain.gates import QualityGate
from bursar.quality.examples import Example
from bursar.quality.train import Array, Labels, chances, labels_of, matrix_of
from bursar.quality.weights import Weights

RESAMPLES = 400
CURVE_POINTS = 100
WANTED_KEPT = (0.99, 0.98, 0.95, 0.9)
SEED = 20_261_126


class Interval(msgspec.Struct, frozen=True):
    value: float
    low: float
    high: float


class Curve(msgspec.Struct, frozen=True):
    """One way to choose. share: of the calls at the cheap model; kept: of the dear model's accuracy, at each share."""

    name: str
    share: list[float]
    kept: list[float]


class AtAccuracy(msgspec.Struct, frozen=True):
    """What came of a gate's `accuracy_kept`: the threshold it took, and what happened on the held-back examples.

    cost_saved: of the dear model's cost, if calls cost alike; saved_by_length: if it goes with the length of the text.
    random_kept: what as many calls by lot keep. A threshold of None: none promised that much; all calls go to the dear.
    """

    wanted: float
    threshold: float | None
    share: float
    cost_saved: float
    saved_by_length: float
    kept: Interval
    random_kept: float


class Verdict(msgspec.Struct, frozen=True):
    """apgr: average performance gap recovered over all shares of calls, 0.5 by lot. auc: of telling whether the cheap
    model is right. gap_over_cost: as apgr, over all shares of the cost where that goes with the length of the text;
    longest_over_cost: of a rule that sends the longest to the cheap model and looks at nothing else."""

    rows: int
    cheap_accuracy: float
    dear_accuracy: float
    cost_ratio: float
    auc: Interval
    apgr: Interval
    length_apgr: float
    oracle_apgr: float
    gap_over_cost: Interval
    longest_over_cost: float
    curves: list[Curve]
    at: list[AtAccuracy]


def judge(weights: Weights, examples: Sequence[Example], cost_ratio: float) -> Verdict:
    """Judge weights on examples that weren't among those they learned from. cost_ratio: cheap to dear, of one call."""
    labels, seen = labels_of(examples), matrix_of(examples)
    miss, cheap = chances(weights.miss, seen), chances(weights.cheap, seen)
    sizes = np.array([len(one.prompt) for one in examples], dtype=np.float64)
    lots = np.random.default_rng(SEED).integers(0, len(examples), (RESAMPLES, len(examples)))
    curves = [
        _curve("gate", miss, labels),
        _curve("length", sizes, labels),
        _curve("oracle", labels.dear - labels.cheap, labels),
    ]
    return Verdict(
        rows=len(examples),
        cheap_accuracy=float(labels.cheap.mean()),
        dear_accuracy=float(labels.dear.mean()),
        cost_ratio=cost_ratio,
        auc=_interval(_auc(cheap, labels.cheap), [_auc(cheap[lot], labels.cheap[lot]) for lot in lots]),
        apgr=_interval(_apgr(miss, labels), [_apgr(miss[lot], _of(labels, lot)) for lot in lots]),
        length_apgr=_apgr(sizes, labels),
        oracle_apgr=_apgr(labels.dear - labels.cheap, labels),
        gap_over_cost=_interval(
            _apgr(miss, labels, sizes), [_apgr(miss[lot], _of(labels, lot), sizes[lot]) for lot in lots]
        ),
        longest_over_cost=_apgr(-sizes, labels, sizes),
        curves=curves,
        at=[_at(weights, kept, miss, labels, sizes, lots, cost_ratio) for kept in WANTED_KEPT],
    )


def _at(
    weights: Weights, wanted: float, miss: Array, labels: Labels, sizes: Array, lots: NDArray[np.int64], ratio: float
) -> AtAccuracy:
    threshold = weights.threshold_for(QualityGate(weights="x", accuracy_kept=wanted))
    passes = miss <= threshold if threshold is not None else np.zeros(len(miss), dtype=bool)
    got = np.where(passes, labels.cheap, labels.dear)
    dear = labels.dear
    share = float(passes.mean())
    gap = float((dear - labels.cheap).mean())
    return AtAccuracy(
        wanted=wanted,
        threshold=threshold,
        share=share,
        cost_saved=share * (1 - ratio),
        saved_by_length=float(sizes[passes].sum() / sizes.sum()) * (1 - ratio),
        kept=_interval(got.mean() / dear.mean(), [got[lot].mean() / dear[lot].mean() for lot in lots]),
        random_kept=1 - share * gap / float(dear.mean()),
    )


def _of(labels: Labels, lot: NDArray[np.int64]) -> Labels:
    return Labels(labels.cheap[lot], labels.dear[lot])


def _accuracies(ranks: Array, labels: Labels) -> Array:
    """The accuracy with none, one, two … of the calls at the cheap model, those of the lowest rank first."""
    lost = (labels.dear - labels.cheap)[np.argsort(ranks, kind="stable")]
    accuracy: Array = labels.dear.mean() - np.concatenate([[0.0], np.cumsum(lost)]) / len(ranks)
    return accuracy


def _curve(name: str, ranks: Array, labels: Labels) -> Curve:
    kept = _accuracies(ranks, labels) / labels.dear.mean()
    at = np.unique(np.linspace(0, len(ranks), CURVE_POINTS + 1).astype(int))
    return Curve(name, [round(float(one), 4) for one in at / len(ranks)], [round(float(one), 5) for one in kept[at]])


def _apgr(ranks: Array, labels: Labels, costs: Array | None = None) -> float:
    """The mean over all shares, of calls or of costs, of how much of the gap between the two models is recovered."""
    low, high = labels.cheap.mean(), labels.dear.mean()
    if high <= low:
        return float("nan")
    recovered = (_accuracies(ranks, labels) - low) / (high - low)
    steps = np.ones(len(ranks)) if costs is None else costs[np.argsort(ranks, kind="stable")]
    return float(((recovered[1:] + recovered[:-1]) / 2 * steps).sum() / steps.sum())


def _auc(scores: Array, wanted: Array) -> float:
    """The chance that of a right and a wrong answer of the cheap model the right one has the higher score."""
    yes = wanted.sum()
    no = len(wanted) - yes
    if not yes or not no:
        return float("nan")
    _, places, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(sizes) - (sizes - 1) / 2)[places]  # equal scores share their rank
    return float((ranks[wanted > 0].sum() - yes * (yes + 1) / 2) / (yes * no))


def _interval(value: float, resampled: Sequence[float]) -> Interval:
    low, high = np.nanpercentile(np.array(resampled), [2.5, 97.5])
    return Interval(float(value), float(low), float(high))
