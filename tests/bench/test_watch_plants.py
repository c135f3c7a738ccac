"""The benchmark's world of real tenants and its planted incidents, on a few tenants and hours."""

import numpy as np
import pytest

from bursar.bench.tenants import load_tenants
from bursar.bench.watch_plants import (
    CALLS_MIN,
    DAY,
    HORIZON,
    KINDS,
    MINUTE_US,
    SHARE_MIN,
    cost_factor,
    incident_of,
    merged,
    planted,
)
from bursar.bench.watch_world import World
from bursar.domain.watching import Change, Clock, Detection, SeriesKey, Signal

NOON = 9 * DAY + 720


@pytest.fixture(scope="module")
def tenants():
    return load_tenants()


def test_a_seed_is_one_world(tenants):
    one, same, other = (World(tenants, seed) for seed in (1, 1, 2))
    assert one.minute(NOON) == same.minute(NOON)
    assert one.minute(NOON + 1) != other.minute(NOON + 1)


def test_a_hole_of_the_trace_is_no_rest_of_all_tenants_of_a_model(tenants):
    world = World(tenants, 1)
    raw = np.stack([one.rate_rps for one in tenants]) * 60.0
    filled = np.stack([world.expected_calls(window * 10) for window in range(raw.shape[1])], axis=1)
    for model in {one.model for one in tenants}:
        rows = [at for at, one in enumerate(tenants) if one.model == model]
        usual = np.median(raw[rows].sum(axis=0))
        assert (filled[rows].sum(axis=0) > 0.04 * usual).all()
    same = np.isclose(raw, filled).mean()
    assert 0.95 < same < 1.0
    untouched = [at for at, one in enumerate(tenants) if one.model == "m-large"]
    assert np.allclose(raw[untouched], filled[untouched])


def busiest(world):
    return int(np.argmax(world.expected_calls(NOON)))


def sums(world, tenant, incident):
    found = [world.minute(minute, incident).get(world.keys[tenant]) for minute in range(NOON, NOON + 20)]
    names = ("calls", "attempts", "output_tokens", "cache_read_tokens", "dear_calls", "cost_pico")
    return {name: sum(getattr(one, name) for one in found if one is not None) for name in names}


@pytest.mark.parametrize("kind", KINDS)
def test_an_incident_changes_what_its_kind_says_and_nothing_before_it(tenants, kind):
    tenant = busiest(World(tenants, 3))
    usual = sums(World(tenants, 3), tenant, None)
    later = incident_of(kind, 5.0, tenant, NOON + 20)
    assert sums(World(tenants, 3), tenant, later) == usual
    world = World(tenants, 3)
    changed = sums(world, tenant, incident_of(kind, 5.0, tenant, NOON))
    name, times = {
        "retry loop": ("attempts", 5.0),
        "output growth": ("output_tokens", 5.0),
        "cache-hit drop": ("cache_read_tokens", None),
        "dear model": ("dear_calls", None),
        "price jump": ("cost_pico", 5.0),
        "runaway agent": ("calls", 5.0),
        "silence": ("calls", 0.0),
    }[kind]
    if times is None:
        assert changed[name] < 0.5 * usual[name] if kind == "cache-hit drop" else changed[name] > usual[name]
    else:
        assert changed[name] == pytest.approx(times * usual[name], rel=0.1)
    if kind != "silence":
        factor = cost_factor(world, kind, 5.0, tenant, range(NOON, NOON + 20))
        assert changed["cost_pico"] / usual["cost_pico"] == pytest.approx(factor, rel=0.3)


def test_plants_are_of_all_kinds_and_of_tenants_at_work_and_count_by_their_money(tenants):
    world = World(tenants, 4)
    plants = [planted(world, NOON, np.random.default_rng(seed)) for seed in range(60)]
    assert {one.kind for one in plants} == set(KINDS)
    for one in plants:
        assert 2.0 <= one.size <= 20.0
        assert world.expected_calls(one.incident.from_minute)[one.incident.tenant] >= CALLS_MIN
        assert one.incident.from_minute + HORIZON < NOON + HORIZON + 60
        assert one.counts == (one.excess >= SHARE_MIN * one.daily)
    assert 0 < sum(one.counts for one in plants) < len(plants)


def told(name, minute, signal=Signal.CALLS):
    at_us = minute * MINUTE_US
    return Detection(SeriesKey("feature", name), signal, Clock.MINUTE, Change.SPIKE, at_us, at_us, 1.0, 2.0, 1.0)


def test_detections_of_a_series_within_the_hour_are_one_finding():
    found = merged([told("a", 0), told("b", 5), told("a", 50, Signal.COST), told("a", 105), told("a", 200)])
    assert [(one.series.value, one.first.seen_us // MINUTE_US) for one in found] == [("a", 0), ("b", 5), ("a", 200)]
