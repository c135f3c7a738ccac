"""Real tenants of an LLM provider, hour by hour: how many requests they sent, and what these would have cost.

Rates and tokens are those of the trace (`data/SOURCES.md`); prices are made up, of a large, a middle and a small model.
A tenant without token sizes has the middle ones of its model's tenants.
"""

import csv
import gzip
import io
from collections.abc import Iterator
from importlib import resources
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

DAYS = 14
WINDOW_S = 600
WINDOWS = DAYS * 86_400 // WINDOW_S
WINDOWS_AN_HOUR = 6
TOKEN_WINDOWS = DAYS * 4  # of six hours
PRICES = {"m-large": (2.0, 6.0), "m-mid": (0.4, 1.2), "m-small": (0.05, 0.2)}
"""USD per million tokens, in and out."""

Floats = NDArray[np.float64]


class Tenant(NamedTuple):
    """One client of one model.

    rate_rps: (WINDOWS,), requests a second in each ten minutes. input_tokens, output_tokens: (TOKEN_WINDOWS,), mean of
    a request in each six hours; a window that isn't known has those of the one before.
    """

    name: str
    model: str
    rate_rps: Floats
    input_tokens: Floats
    output_tokens: Floats

    @property
    def cost_by_window(self) -> Floats:
        """USD in each ten minutes: (WINDOWS,)."""
        price_in, price_out = PRICES[self.model]
        of_one = (self.input_tokens * price_in + self.output_tokens * price_out) / 1e6
        return self.rate_rps * WINDOW_S * np.repeat(of_one, WINDOWS // TOKEN_WINDOWS)

    @property
    def cost_by_hour(self) -> Floats:
        """USD in each hour: (DAYS * 24,)."""
        found: Floats = self.cost_by_window.reshape(-1, WINDOWS_AN_HOUR).sum(axis=1)
        return found


def load_tenants() -> list[Tenant]:
    """All of them, in the order of their names."""
    rates: dict[tuple[str, str], Floats] = {}
    for row in _rows("servegen-rates.csv.gz"):
        rate = rates.setdefault((row["model"], row["client"]), np.zeros(WINDOWS))
        rate[int(row["window"])] = float(row["rate_rps"])
    sizes: dict[tuple[str, str], Floats] = {}
    for row in _rows("servegen-tokens.csv.gz"):
        size = sizes.setdefault((row["model"], row["client"]), np.full((2, TOKEN_WINDOWS), np.nan))
        size[:, int(row["window"])] = float(row["input_tokens_mean"]), float(row["output_tokens_mean"])
    usual = {
        model: np.nanmedian(np.concatenate([size for key, size in sizes.items() if key[0] == model], axis=1), axis=1)
        for model in PRICES
    }
    found = []
    for key in sorted(rates):
        model, client = key
        tokens = _filled(sizes.get(key, np.full((2, TOKEN_WINDOWS), np.nan)), usual[model])
        found.append(Tenant(f"{model}/{client}", model, rates[key], tokens[0], tokens[1]))
    return found


def hourly_costs(tenants: list[Tenant]) -> Floats:
    """(tenants, hours), USD."""
    return np.stack([one.cost_by_hour for one in tenants])


def daily_costs(tenants: list[Tenant]) -> Floats:
    """(tenants, days), USD."""
    found: Floats = hourly_costs(tenants).reshape(len(tenants), DAYS, 24).sum(axis=2)
    return found


def _filled(sizes: Floats, usual: Floats) -> Floats:
    """Gaps as the window before; before the first one that is known, as usual."""
    filled, last = sizes.copy(), usual
    for at in range(sizes.shape[1]):
        last = np.where(np.isnan(sizes[:, at]), last, sizes[:, at])
        filled[:, at] = last
    return filled


def _rows(name: str) -> Iterator[dict[str, str]]:
    raw = resources.files("bursar.bench").joinpath("data", name).read_bytes()
    yield from csv.DictReader(io.StringIO(gzip.decompress(raw).decode()))
