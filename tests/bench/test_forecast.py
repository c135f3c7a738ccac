"""The back-test on real tenants: what docs/benchmarks.md says of it is what comes out."""

import numpy as np
import pytest

from bursar.bench.figure import Options
from bursar.bench.forecast import measure
from bursar.bench.tenants import DAYS, PRICES, daily_costs, hourly_costs, load_tenants


def test_tenants_are_whole_and_cost_what_their_hours_do():
    tenants = load_tenants()
    assert len(tenants) == 155
    assert {one.model for one in tenants} == set(PRICES)
    hours = hourly_costs(tenants)
    assert hours.shape == (155, DAYS * 24)
    assert np.isfinite(hours).all()
    assert (hours >= 0).all()
    assert daily_costs(tenants).sum() == pytest.approx(hours.sum())


@pytest.mark.slow
def test_forecasts_of_real_tenants_are_nearer_than_last_week_and_their_bands_hold():
    found = {figure.name: figure for figure in measure(Options(rounds=1)) if figure.bound is not None}
    missed = [name for name, figure in found.items() if not figure.ok and figure.unit != "s"]
    assert missed == []
    assert sum("error" in name for name in found) == 2
