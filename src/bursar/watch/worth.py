"""Whether what is out of the ordinary costs enough that somebody wants to know of it."""

import numpy as np

from bursar.watch.evidence import Evidence
from bursar.watch.expected import Bools, Expected
from bursar.watch.rates import COST, IS_LENGTH

OF_USUAL = 0.15  # of what it usually costs a minute: six hours of it are 4 % of a day
MINUTES = 5.0  # that the fading sums are of


def worth_telling(evidence: Evidence, expected: Expected) -> Bools:
    """(series, channels). Volumes and lengths cost money by themselves; of anything else it isn't asked.

    A length is taken for all of the cost, because what else there is of it isn't known: the gate is a lenient one.
    """
    now = np.exp(evidence.lately[:, COST])
    free = now <= 1e-11  # unpriced: what it costs isn't known, and unknown isn't nothing
    excess = now[:, None] * (1.0 - 1.0 / np.maximum(evidence.times, 1.0))
    least = OF_USUAL * MINUTES * expected.mean[:, COST]
    found: Bools = (excess >= least[:, None]) | free[:, None] | ~IS_LENGTH
    return found
