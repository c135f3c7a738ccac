"""Minutes of real tenants, for the watch: how many calls each made, their tokens and cost, with an incident on top.

Rates and mean sizes are those of the trace (`tenants.py`). Arrivals and sizes are drawn: calls of a minute spread as
the trace's own arrivals do (`SPREAD` times Poisson's variance), sizes of a call as a Gamma of coefficient `SIZE_CV`.
What the trace doesn't have (caches, retries, errors, a dear model) is made up: each tenant has its own usual shares.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bursar.bench.tenants import PRICES, TOKEN_WINDOWS, WINDOWS, Tenant
from bursar.domain.watching import Bucket, SeriesKey

Floats = NDArray[np.float64]
MINUTES = WINDOWS * 10
SPREAD = 1.5
SIZE_CV = 1.0
CACHED_PRICE = 0.1  # of the input price
DEAR_TIMES = 10.0
HOLE = 0.05  # of the middle window's requests
PICO = 1e12


class Usual(NamedTuple):
    """What a tenant's calls are like: shares, each (tenants,)."""

    cached: Floats
    retried: Floats
    failed: Floats
    truncated: Floats
    dear: Floats


class Incident(NamedTuple):
    """What happens to one tenant from a minute on. Factors are of what it would have been; None: untouched."""

    tenant: int
    from_minute: int
    calls: float = 1.0
    input: float = 1.0
    output: float = 1.0
    price: float = 1.0
    attempts: float = 1.0
    cached: float | None = None
    dear: float | None = None


class World:
    """All tenants by the minute. One random stream, so that a seed is one world."""

    def __init__(self, tenants: list[Tenant], seed: int) -> None:
        self.tenants = tenants
        self.keys = [SeriesKey("feature", one.name) for one in tenants]
        self.rng = np.random.default_rng(seed)
        shape = np.random.default_rng(7)  # what tenants are like is the same in every world
        count = len(tenants)
        self.usual = Usual(
            shape.beta(2, 2, count), shape.beta(1, 80, count), shape.beta(1, 60, count), shape.beta(1, 40, count),
            shape.beta(1, 40, count),
        )  # fmt: skip
        rates = np.stack([one.rate_rps for one in tenants])
        self._rates = _without_holes(rates, [one.model for one in tenants]) * 60.0
        self._input = _by_minute(np.stack([one.input_tokens for one in tenants]))
        self._output = _by_minute(np.stack([one.output_tokens for one in tenants]))
        self._prices = np.array([PRICES[one.model] for one in tenants]) / 1e6

    def expected_calls(self, minute: int) -> Floats:
        """Of each tenant in a minute, before any incident."""
        found: Floats = self._rates[:, minute // 10]
        return found

    def expected_cost(self, tenant: int, minutes: range) -> float:
        """USD of a tenant in these minutes as they usually are, roughly: caches and the dear model included."""
        at = list(minutes)
        price_in, price_out = self._prices[tenant]
        usual_in = 1 - (1 - CACHED_PRICE) * self.usual.cached[tenant]
        each = self._input[tenant, at] * price_in * usual_in + self._output[tenant, at] * price_out
        calls = self._rates[tenant, [minute // 10 for minute in minutes]]
        return float(np.sum(calls * each) * (1 + (DEAR_TIMES - 1) * self.usual.dear[tenant]))

    def cost_shares(self, tenant: int, minutes: range) -> tuple[float, float]:
        """Of a tenant's usual cost in these minutes: the share of output, and how much more input would cost without
        its cache."""
        at = list(minutes)
        price_in, price_out = self._prices[tenant]
        whole_in = float(np.mean(self._input[tenant, at])) * price_in
        spent_in = whole_in * float(1 - (1 - CACHED_PRICE) * self.usual.cached[tenant])
        spent_out = float(np.mean(self._output[tenant, at])) * price_out
        spent = spent_in + spent_out
        return spent_out / spent, (whole_in - spent_in) / spent

    def minute(self, minute: int, incident: Incident | None = None) -> dict[SeriesKey, Bucket]:
        """What each tenant did; one without a call isn't there."""
        rng, usual = self.rng, self.usual
        rates = self._rates[:, minute // 10].copy()
        size_in, size_out = self._input[:, minute].copy(), self._output[:, minute].copy()
        cached, dear, price, attempts_a_call = usual.cached, usual.dear, np.ones(len(rates)), np.ones(len(rates))
        if incident is not None and minute >= incident.from_minute:
            at = incident.tenant
            rates[at] *= incident.calls
            size_in[at] *= incident.input
            size_out[at] *= incident.output
            price[at], attempts_a_call[at] = incident.price, incident.attempts
            cached = _with(cached, at, incident.cached)
            dear = _with(dear, at, incident.dear)
        # of a Poisson whose mean is itself a Gamma: its variance is SPREAD times its mean
        calls = rng.poisson(rng.gamma(np.maximum(rates, 1e-9) / (SPREAD - 1), SPREAD - 1))
        shape = calls / SIZE_CV**2
        tokens_in = rng.gamma(shape, size_in * SIZE_CV**2)
        tokens_out = rng.gamma(shape, size_out * SIZE_CV**2)
        hits = rng.beta(1 + 20 * cached, 1 + 20 * (1 - cached))
        read = tokens_in * hits
        dear_calls = rng.binomial(calls, dear)
        retries = rng.binomial(calls, usual.retried) + np.round(calls * (attempts_a_call - 1)).astype(np.int64)
        attempts = calls + retries
        again = attempts / np.maximum(calls, 1)
        money = (tokens_in - (1 - CACHED_PRICE) * read) * self._prices[:, 0] + tokens_out * self._prices[:, 1]
        money *= price * again * (1 + (DEAR_TIMES - 1) * dear_calls / np.maximum(calls, 1))
        errors, truncated = rng.binomial(calls, usual.failed), rng.binomial(calls, usual.truncated)
        sums = np.stack(
            [
                calls, attempts, retries, truncated, errors, tokens_in * again, read * again, tokens_out * again,
                money * PICO, dear_calls, np.zeros_like(calls), np.zeros_like(calls),
            ],
            axis=1,
        )  # fmt: skip
        rows = np.round(sums).astype(np.int64).tolist()
        return {key: Bucket(*row) for key, row in zip(self.keys, rows, strict=True) if row[0]}


def _by_minute(sizes: Floats) -> Floats:
    """Means of six hours as a line through their middles: a mean that jumps four times a day isn't in the trace."""
    middles = (np.arange(TOKEN_WINDOWS) + 0.5) * (MINUTES / TOKEN_WINDOWS)
    minutes = np.arange(MINUTES)
    found: Floats = np.stack([np.interp(minutes, middles, row) for row in sizes])
    return found


def _without_holes(rates: Floats, models: list[str]) -> Floats:
    """Windows in which all of a model's tenants together have hardly a request are holes in the trace, and no rest of
    theirs all at once: a straight line over each.

    rates: (tenants, WINDOWS).
    """
    found, windows = rates.copy(), np.arange(rates.shape[1])
    for model in sorted(set(models)):
        rows = [at for at, one in enumerate(models) if one == model]
        together = rates[rows].sum(axis=0)
        hole = together < HOLE * np.median(together)
        wide: NDArray[np.bool_] = (
            np.convolve(hole, np.ones(3), "same") > 0
        )  # a window at its edge is partly in it, or has what was kept back
        known = ~wide
        for row in rows:
            found[row] = np.interp(windows, windows[known], rates[row, known])
    return found


def _with(shares: Floats, at: int, value: float | None) -> Floats:
    if value is None:
        return shares
    changed = shares.copy()
    changed[at] = value
    return changed
