"""`bursar alerts` as a person types it."""

import csv
import io
import json

import pytest
from tests.alerts.conftest import Hook

from bursar.config import load_config
from bursar.domain.alerts import Finding, Severity
from bursar.domain.clock import SystemClock
from bursar.site import Site


@pytest.fixture
def site(bursar, tmp_path) -> Site:
    site = Site(load_config(env={}, overrides={"data": str(tmp_path / "bursar-data")}))
    site.prepare()
    return site


def raise_one(site: Site) -> str:
    finding = Finding("loops", "c1", "", Severity.WARNING, "A loop was cut", "40 times.", "/loops")
    (alert,) = site.alerts().outbox.raise_new([(finding, [])], SystemClock().now_us())
    return alert.alert_id


def test_rules_are_there_and_can_be_changed(bursar, site):
    assert bursar("alerts", "rule", "daily-spend", "--set", "factor=3", "--severity", "warning").code == 0
    assert bursar("alerts", "rule", "big", "--kind", "period_spend", "--set", "amount_usd=500", "--off").code == 0
    assert bursar("alerts", "rule", "big", "--filter", "team=core").code == 0
    rules = {rule["name"]: rule for rule in json.loads(bursar("alerts", "rules", "--format", "json").out)}
    assert rules["daily-spend"]["parameters"] == {"factor": "3", "least_usd": "1"}
    assert rules["daily-spend"]["severity"] == "warning"
    assert (rules["big"]["parameters"]["amount_usd"], rules["big"]["filters"]) == ("500", ["team=core"])
    assert not rules["big"]["is_on"]
    assert bursar("alerts", "rule", "daily-spend", "--severity", "own").code == 0
    assert bursar("alerts", "rule", "big", "--remove").code == 0
    names = [row["name"] for row in csv.DictReader(io.StringIO(bursar("alerts", "rules", "--format", "csv").out))]
    assert "big" not in names
    assert "percents=50,80,100" in bursar("alerts", "rules").out


def test_channels_are_made_changed_and_removed(bursar, site):
    assert "no channels yet" in bursar("alerts", "channels").err
    assert bursar("alerts", "channel", "pager", "--to", "env:PAGER", "--takes-named").code == 0
    words = ("--quiet", "22:00-07:00 mon-fri", "--escalate-to", "pager", "--escalate-after", "15")
    assert bursar("alerts", "channel", "ops", "--to", "env:OPS", *words).code == 0
    assert bursar("alerts", "rule", "loops", "--channel", "ops").code == 0
    told = {one["name"]: one for one in json.loads(bursar("alerts", "channels", "--format", "json").out)}
    assert (told["ops"]["escalate_to"], told["ops"]["escalate_after_min"]) == ("pager", 15)
    assert told["pager"]["takes_all"] is False
    assert bursar("alerts", "channel", "ops", "--quiet", "none", "--escalate-to", "none").code == 0
    assert "22:00" not in bursar("alerts", "channels").out
    assert bursar("alerts", "channel", "hook", "--to", "https://example.com/x", "--secret-env", "HOOK_SECRET").code == 0
    assert json.loads(bursar("alerts", "channels", "--format", "json").out)[0]["kind"] == "webhook"
    assert bursar("alerts", "channel", "ops", "--remove").code == 0
    assert bursar("alerts", "rule", "loops", "--channel", "all").code == 0


def test_an_alert_is_listed_until_somebody_has_seen_to_it(bursar, site):
    assert "nothing waits" in bursar("alerts", "list").err
    alert_id = raise_one(site)
    listed = bursar("alerts", "list")
    assert "A loop was cut" in listed.out
    assert alert_id[-12:] in listed.out
    done = bursar("alerts", "ack", alert_id[-12:])
    assert "acknowledged: A loop was cut" in done.err
    assert "nothing waits" in bursar("alerts", "list").err
    (told,) = json.loads(bursar("alerts", "list", "--all", "--format", "json").out)
    assert told["acknowledged_by"].startswith("cli:")
    assert "nothing was open" in bursar("alerts", "ack", "all").err


def test_a_test_is_sent_from_here_where_no_console_runs(bursar, site, monkeypatch):
    hook = Hook()
    try:
        monkeypatch.setenv("HOOK", hook.address)
        monkeypatch.setenv("BURSAR_ALERT_SECRET", "open sesame")  # no setting, and not taken for one
        bursar("alerts", "channel", "hook", "--to", "env:HOOK", "--secret-env", "BURSAR_ALERT_SECRET")
        assert "hook took it" in bursar("alerts", "test", "hook").err
        hook.status = 500
        failed = bursar("alerts", "test", "hook")
    finally:
        hook.close()
    assert failed.code == 1
    assert "[delivery_failed]" in failed.err
    assert failed.out == ""
    results = [entry["result"] for entry in json.loads(bursar("alerts", "log", "--format", "json").out)]
    assert results == ["given_up", "delivered"]
    assert "answered 500" in bursar("alerts", "log").out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("rule", "new"), "unknown_alert"),
        (("rule", "daily-spend", "--set", "factor"), "bad_alert"),
        (("rule", "daily-spend", "--severity", "fatal"), "bad_alert"),
        (("rule", "daily-spend", "--channel", "nobody"), "unknown_alert"),
        (("channel", "new"), "unknown_alert"),
        (("channel", "new", "--to", "slack://a/b/c"), "bad_alert"),
        (("test", "nobody"), "unknown_alert"),
        (("ack", "nonsense"), "unknown_alert"),
        (("rule", "nobody", "--remove"), "unknown_alert"),
    ],
)
def test_what_cannot_be_done_is_wrong_usage(bursar, site, words, code):
    done = bursar("alerts", *words)
    assert (done.code, done.out) == (2, "")
    assert f"[{code}]" in done.err
