"""How many bands held, of how many."""

from typing import NamedTuple

import numpy as np

from bursar.bench.tenants import Floats


class Holding(NamedTuple):
    """How many of the bands held."""

    held: int
    bands: int

    @property
    def percent(self) -> float:
        return 100 * self.held / max(self.bands, 1)


def is_inside(was: Floats, low: Floats, high: Floats) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    slack = 1e-9
    return (was >= low - slack) & (was <= high + slack)
