"""Worlds: the customers one might as well have had, drawn from those there are, with replacement (a bootstrap).

Statistics, so floats; no point estimate comes from here. The same seed gives the same worlds for any scenario, so that
scenarios are compared on the same customers.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

WORLDS = 1_000
CHUNK_DRAWS = 200_000  # of customers held at once: what a processor keeps near, which is twice as quick as a million
DRAWN_MAX = 5_000  # of a viral moment's users in each world; the chance in more is told from these
_CUSTOMERS, _USERS, _SHARES = 1, 2, 3  # what a stream of random numbers is for

Floats = NDArray[np.float64]


class Drawn(NamedTuple):
    """How often each of n customers is in each world of a chunk. first: the number of the first of these worlds."""

    first: int
    times: Floats


def draw_worlds(customers: int, worlds: int, seed: int) -> Iterator[Drawn]:
    """The worlds in chunks, each (worlds of it, customers)."""
    if customers == 0:
        return
    random = np.random.default_rng([seed, _CUSTOMERS])
    step = max(CHUNK_DRAWS // customers, 1)
    for first in range(0, worlds, step):
        count = min(step, worlds - first)
        picked = random.integers(0, customers, (count, customers), dtype=np.int32)
        flat = picked + (np.arange(count, dtype=np.int64) * customers)[:, None]
        times = np.bincount(flat.ravel(), minlength=count * customers)
        yield Drawn(first, times.reshape(count, customers).astype(np.float64))


def sums_by_plan(drawn: Drawn, columns: Floats, edges: Sequence[int]) -> Floats:
    """(worlds of the chunk, plans, columns): each world's sums. edges: where plans begin among the sorted rows."""
    bounds = [*edges, columns.shape[0]]
    return np.stack(
        [
            drawn.times[:, start:end] @ columns[start:end]
            for start, end in pairwise(bounds)
        ],
        axis=1,
    )  # fmt: skip


def mean_of_users(drawn: Drawn, free: NDArray[np.intp], cost: Floats, users: int, seed: int, step: int) -> Floats:
    """(worlds of the chunk, columns): the mean cost of `users` users, drawn from the free ones of each world.

    cost: (free users, columns), a column for each state of the months. step: which viral moment, for its own numbers.
    In a world without free users it is the mean of all there are.
    """
    found = np.empty((len(drawn.times), cost.shape[1]))
    count = min(users, DRAWN_MAX)
    narrower = np.sqrt(count / users)  # the mean of more users strays less from their world's own mean
    everybody = cost.mean(axis=0)
    for at, row in enumerate(drawn.times):
        pool = np.repeat(np.arange(len(free)), row[free].astype(np.int64))
        if not len(pool):
            found[at] = everybody
            continue
        random = np.random.default_rng([seed, _USERS, step, drawn.first + at])
        picked = np.bincount(pool[random.integers(0, len(pool), count)], minlength=len(free))
        mean = row[free] @ cost / len(pool)
        found[at] = mean + (picked @ cost / count - mean) * narrower
    return found


def shares(low: float, high: float, users: int, worlds: int, seed: int, step: int) -> Floats:
    """The share that converts in each world: anywhere between both, and then as chance has it."""
    random = np.random.default_rng([seed, _SHARES, step])
    return np.asarray(random.binomial(users, random.uniform(low, high, worlds)) / users, dtype=np.float64)


def band(worlds: Floats, edges: Sequence[float]) -> Floats:
    """(edges, …): the quantiles of the worlds, the first axis."""
    return np.asarray(np.quantile(worlds, edges, axis=0), dtype=np.float64)
