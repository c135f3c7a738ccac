"""Which of many surprises count, so that false ones stay few however many series there are."""

import math

import numpy as np
from numpy.typing import NDArray

from bursar.watch.tails import Floats


def discoveries(surprises: Floats, chance: float, tests: int) -> NDArray[np.bool_]:
    """Benjamini and Hochberg's step-up rule: of `tests` looks, those whose surprises are the discoveries.

    surprises: -log10 p, any shape; looks that aren't in it are taken as not surprising. chance: accepted for the whole
    step. If nothing is out of the ordinary, one false discovery or more has at most this chance; when many are, each
    is judged by a bound that rises with their number, and the same share of them is false.
    """
    flat = surprises.reshape(-1)
    candidates = np.sort(flat[flat >= math.log10(tests / chance) - math.log10(max(flat.size, 1))])[::-1]
    ranks = np.arange(1, len(candidates) + 1)
    kept = candidates >= math.log10(tests / chance) - np.log10(ranks)
    if not kept.any():
        return np.zeros(surprises.shape, bool)
    bound = candidates[np.flatnonzero(kept)[-1]]
    return np.asarray(surprises >= bound)
