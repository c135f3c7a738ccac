"""How far an amount is from what was expected of it, in standard normal deviates, with a skewed spread."""

import numpy as np

from bursar.watch.tails import Floats


def signed_deviate(amount: Floats, expected: Floats, scale: Floats, spread: Floats, lump: Floats) -> Floats:
    """The signed root of a negative binomial's deviance.

    amount, expected: sums of the same units. scale: variance per unit expected that comes from single calls; spread:
    variance beyond it, relative to expected squared. lump: the smallest step an amount can take, for half of which it
    is brought nearer (continuity). Small counts aren't normal: two failed calls where 0.02 were expected are 3
    deviates, not 14.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = expected / scale
        half = 0.5 * lump
        near = np.where(amount > expected, np.maximum(amount - half, expected), np.minimum(amount + half, expected))
        seen = near / scale
        size = 1.0 / np.maximum(spread, 1e-9)
        own = np.where(seen > 0, seen * np.log(seen / mean), 0.0)
        deviance = own - (seen + size) * np.log1p((seen - mean) / (mean + size))
        root = np.sqrt(np.maximum(2.0 * deviance, 0.0))
        return np.where(mean > 0, np.where(seen >= mean, root, -root), 0.0)
