"""Differences planted in bills that are written from the providers' documents: each found, named and priced."""

import pytest

from bursar.bench.reconcile_cases import make_cases
from bursar.bench.reconcile_planted import score


@pytest.mark.parametrize("seed", [1, 2])
def test_every_planted_difference_is_found_named_and_priced_and_nothing_else(seed):
    told = score(seed)
    assert told.unfound == []
    assert told.false == []
    assert (told.bills, told.planted) == (12, 41)


@pytest.mark.parametrize("seed", [101, 102])
def test_whatever_is_drawn_is_found_too(seed):
    told = score(seed, mixed=True)
    assert told.unfound == []
    assert told.false == []
    assert told.planted > 30


def test_the_plants_have_every_cause_that_can_be_planted():
    causes = {planted.cause for case in make_cases(3) for planted in case.traffic.planted}
    assert causes == {
        "missing_attempt", "not_billed", "stale_price", "tier", "batch", "cache_class", "rounding", "tax", "credit",
        "fee", "currency", "timing", "not_through_bursar", "theirs", "unpriced", "estimated", "assumed",
    }  # fmt: skip
