import json
import stat
from pathlib import Path

import msgspec
import pytest

from bursar.budgets.budget import Budget
from bursar.budgets.limits import LimitPlan
from bursar.budgets.listing import decode_budgets
from bursar.budgets.schedule import Schedule
from bursar.budgets.spec import parse_spec
from bursar.config import Config, load_config
from bursar.domain.clock import FixedClock
from bursar.domain.errors import ConfigError
from bursar.domain.scope import Scope
from bursar.domain.snapshot import Snapshot, encode_snapshot, read_snapshot
from bursar.domain.tags import Attribution
from bursar.gateway.loop_cuts import Cut, write_cuts
from bursar.gateway.loop_signs import Sign
from bursar.gateway.settings import load_settings
from bursar.prices.book import PriceBook
from bursar.site import Site, data_option


@pytest.fixture
def site(tmp_path) -> Site:
    return Site(load_config(env={}, overrides={"data": str(tmp_path / "data")}), FixedClock(1))


def test_making_a_site_touches_nothing_and_preparing_it_makes_a_private_directory(site):
    assert not site.paths.data.exists()
    assert not site.exists()
    site.prepare()
    assert stat.S_IMODE(site.paths.data.stat().st_mode) == 0o700
    assert stat.S_IMODE(site.paths.secret.stat().st_mode) == 0o600


def test_the_secret_is_made_once(site):
    site.prepare()
    first = site.secret()
    assert len(first) == 32
    assert Site(site.config).secret() == first
    assert [path.name for path in site.paths.data.glob("secret*")] == ["secret.key"]


def test_a_directory_that_cannot_be_used_is_a_setting_that_cannot(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="can't use"):
        Site(load_config(env={}, overrides={"data": str(tmp_path / "file" / "data")})).prepare()


def test_the_worker_settings_hold_every_gateway_setting_and_upstream(site):
    site.prepare()
    site.write_settings()
    told = load_settings(site.paths.worker)
    for field in msgspec.structs.fields(site.config.gateway):
        if field.name != "workers":  # the supervisor's
            assert getattr(told, field.name) == getattr(site.config.gateway, field.name), field.name
    assert {upstream.name: upstream.provider for upstream in told.upstreams} == {
        "openai": "openai",
        "anthropic": "anthropic",
        "gemini": "google",
    }
    assert Site.from_settings(site.paths.site.read_bytes()).config == site.config


def test_no_secret_of_the_environment_is_written_down(site, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-0123456789")
    site.prepare()
    site.write_settings()
    for path in site.paths.data.rglob("*"):
        if path.is_file():
            assert b"canary" not in path.read_bytes()


def test_workers_find_an_empty_snapshot_at_first_and_it_is_not_published_again(site):
    site.prepare()
    assert not site.ensure_snapshot()
    assert read_snapshot(site.paths.snapshot).keys == {}
    assert not site.ensure_snapshot()


def test_a_snapshot_behind_its_store_is_published_anew(site):
    keys = site.keys()
    keys.create("ci", Scope("acme"), Attribution(), actor="test")  # and died before it published
    assert site.ensure_snapshot()
    assert len(site.publish().keys) == 1
    assert not site.ensure_snapshot()


@pytest.mark.parametrize("content", [b"", b"garbage", encode_snapshot(Snapshot(1, {}, 99))])
def test_a_snapshot_of_another_version_or_a_broken_one_is_published_anew(site, content):
    site.prepare()
    site.paths.snapshot.write_bytes(content)
    assert site.ensure_snapshot()


def test_prices_are_compiled_once_and_again_when_the_local_file_changes(site):
    site.prepare()
    assert site.ensure_price_book() == []
    first = site.paths.price_book.stat().st_mtime_ns
    assert site.ensure_price_book() == []
    assert site.paths.price_book.stat().st_mtime_ns == first
    site.paths.prices.write_text("")
    site.ensure_price_book()
    assert site.paths.price_book.stat().st_mtime_ns > first
    PriceBook.load(site.paths.price_book)


def test_what_is_wrong_in_the_local_price_file_is_told_at_every_start(site):
    site.prepare()
    site.paths.prices.write_text("[[price]]\nmodel = 1\n")
    first = site.ensure_price_book()
    assert first
    assert site.ensure_price_book() == first


def test_a_price_file_that_is_not_there_is_a_setting_that_cannot_be_used(site):
    config = load_config(env={}, overrides={"data": site.config.data, "prices.overrides": "/nowhere/prices.toml"})
    other = Site(config)
    other.prepare()
    with pytest.raises(ConfigError, match="no such file"):
        other.ensure_price_book()


def test_a_site_can_be_told_which_ports_it_got(site):
    moved = site.listening_on(1234, 1235)
    assert (moved.config.gateway.port, moved.config.console.port) == (1234, 1235)
    assert site.config.gateway.port == 8787
    assert json.loads(msgspec.json.encode(moved.config))["gateway"]["port"] == 1234


def test_a_budget_whose_maker_died_before_it_was_handed_over_is_handed_over_at_the_next_start(site):
    site.prepare()
    site.ensure_snapshot()
    window = Schedule(parse_spec("month"))
    site.budgets().create(Budget(budget_id="", name="all", limit=LimitPlan(10**12), window=window), actor="test")
    assert site.ensure_snapshot()
    site.publish_all()
    assert [budget.name for budget in decode_budgets(site.paths.budgets.read_bytes())] == ["all"]


def test_what_the_loop_breaker_cut_is_a_fact_for_alerts_and_a_new_one_when_cut_again(site):
    site.prepare()
    now_us = site.clock.now_us()
    told: dict[str, object] = {
        "cut_id": "c1", "sign": Sign.REPEAT, "scope": "request", "key": 1, "credential_id": "vk_1", "session": "",
        "agent": "", "feature": "billing-sync", "model": "gpt-4o", "fingerprint": "ab",
        "error_code": "", "calls": 7, "unpriced": 0,
        "cost_pico": 410_000_000_000, "first_us": now_us - 60_000_000, "since_us": now_us,
        "until_us": now_us + 60_000_000,
    }  # fmt: skip
    write_cuts(site.paths.run / "loops-0.json", [Cut(**told)])
    (found,) = site.loop_cuts(now_us - 1)
    assert (found.id, found.at_us) == ("c1 1", now_us)
    assert found.text.startswith("billing-sync: the same request came 7 times")
    assert "$0.41" in found.text
    assert site.loop_cuts(now_us + 1) == []
    write_cuts(site.paths.run / "loops-0.json", [Cut(**(told | {"strikes": 2}))])
    assert [one.id for one in site.loop_cuts(0)] == ["c1 2"]


def test_a_told_command_names_the_data_only_where_it_is_not_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    assert data_option(Config()) == ""
    assert data_option(Config(data=str(tmp_path / "bursar-data"))) == ""
    assert data_option(Config(data="bursar-demo-data")) == " --data bursar-demo-data"
    assert data_option(Config(data="/srv/the books")) == " --data '/srv/the books'"
