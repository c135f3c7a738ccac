"""`bursar advice` as a person types it: listed, shown, kept as a draft that is off."""

import json

import pytest
from tests.cli.conftest import Bursar

from bursar.bench.advice import FIRST_DAY, calls_of
from bursar.bench.advice_outputs import HungUp, Runaway
from bursar.bench.advice_plants import Nightly, Questions
from bursar.bench.advice_world import write_ledger
from bursar.config import load_config
from bursar.gateway.meter import Meter
from bursar.prices.book import PriceBook
from bursar.site import Site

DAYS = 8
PERIOD = ("--period", "2026-10-26..2026-11-02")


@pytest.fixture
def site(bursar: Bursar) -> Site:
    """A data directory with eight days of four planted savings in its spool."""
    site = Site(load_config(env={}))
    site.prepare()
    site.ensure_price_book()
    plants = [Questions(0), Nightly(0), Runaway(0), HungUp(0)]
    made = sorted((one for part in calls_of(plants, 0, FIRST_DAY, DAYS) for one in part), key=lambda one: one.at_us)
    write_ledger(made, site.paths.spool, Meter(PriceBook.load(site.paths.price_book)))
    return site


@pytest.mark.slow
def test_advice_is_listed_shown_and_kept_as_a_draft(bursar: Bursar, site: Site):
    table = bursar("advice", *PERIOD)
    assert table.code == 0, table.err
    assert "Cap the answers of rewrite" in table.out
    assert "together, each charge once" in table.out
    told = json.loads(bursar("advice", "list", *PERIOD, "--format", "json").out)
    by_kind = {row["kind"]: row for row in told["advice"]}
    assert set(by_kind) >= {"exact_cache", "batch", "output_cap"}

    cap, batch = by_kind["output_cap"]["id"], by_kind["batch"]["id"]
    shown = bursar("advice", "show", cap, *PERIOD)
    assert "max_tokens as the caller says" in shown.out
    kept = bursar("advice", "apply", cap, "--draft", *PERIOD)
    assert kept.code == 0, kept.err
    assert "policies on" in kept.err
    [policy] = json.loads(bursar("policies", "list", "--format", "json").out)
    assert policy["on"] is False
    watched = bursar("advice", "apply", by_kind["retries"]["id"], "--draft", *PERIOD)
    assert watched.code == 0, watched.err
    assert "dry run" in watched.err
    assert "time-out" in watched.err  # what the caller does beside it
    [budget] = json.loads(bursar("budgets", "list", "--format", "json").out)
    assert budget["mode"] == "warn"
    steps = bursar("advice", "apply", batch, *PERIOD)
    assert (steps.code, "/v1/messages/batches" in steps.err) == (0, True)
