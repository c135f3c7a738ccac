"""Bands, tried on businesses whose true margin is known: four in five hold it."""

import pytest

from bursar.bench.scenarios import holding

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("size", "low", "high"), [(40, 0.62, 0.88), (300, 0.7, 0.9)])
def test_bands_hold_the_true_margin_about_four_times_in_five(size: int, low: float, high: float):
    """Of 120 businesses; a fair 80 % strays from 73 to 87 % nineteen times in twenty. Small ones with heavy users hold
    less, which the page says."""
    assert low <= holding(size, 120, 100) <= high
