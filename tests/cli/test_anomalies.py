"""`bursar anomalies` and `bursar markers` as a person types them."""

import csv
import io
import re
import shlex
from pathlib import Path

import pytest
from tests.governance.test_findings import finding

from bursar.config import load_config
from bursar.console.anomalies import open_anomalies
from bursar.domain.clock import SystemClock
from bursar.domain.findings import Cause, Factor, Moved, Movement, Part, PerCall
from bursar.domain.watching import Label
from bursar.site import Site

HOUR_US = 3_600_000_000


@pytest.fixture
def site(bursar, tmp_path) -> Site:
    site = Site(load_config(env={}, overrides={"data": str(tmp_path / "bursar-data")}))
    now_us = SystemClock().now_us()
    cause = Cause(
        (Part(Factor.CALLS, 9 * 10**12),),
        (Movement("customer", (Moved("acme", 10**12, 10**13),), 0.9),),
        before=PerCall(60.0, 6e4, 0.0, 6e3, 10**12, (("gpt-5", 60.0),)),
        after=PerCall(600.0, 6e5, 0.0, 6e4, 10**13, (("gpt-5", 600.0),)),
    )
    open_anomalies(site).findings.add(
        finding(
            began_us=now_us - HOUR_US, until_us=now_us, found_us=now_us, expected_pico=10**12, actual_pico=10**13,
            cause=cause,
        )
    )  # fmt: skip
    return site


@pytest.mark.slow
def test_one_is_listed_shown_and_labelled(bursar, site):
    listed = bursar("anomalies", "list", "--open")
    assert listed.code == 1
    for words in ("feature search costs $9.00", "more calls", "6,570.00"):
        assert words in listed.out
    shown = bursar("anomalies", "show", "0001")
    for words in ("more calls", "acme"):
        assert words in shown.out
    for words in ("$10.00 since", "$1.00 expected", "bursar call c", "throttle: At most 2 calls a minute"):
        assert words in shown.err
    said = bursar("anomalies", "label", "0001", "expected", "--note", "a launch")
    assert "is labelled expected" in said.err
    assert "1 of 1 labelled ones were right" in said.err
    kept = open_anomalies(site).findings.one("0001")
    assert (kept.label, kept.label_note) == (Label.EXPECTED, "a launch")


def test_a_label_that_is_none_is_refused(bursar, site):
    assert "one of true, false, expected, or none" in bursar("anomalies", "label", "0001", "maybe").err
    assert bursar("anomalies", "label", "zzz", "true").code != 0


def test_the_rules_in_the_docs_can_be_made(bursar, site):
    text = (Path(__file__).parents[2] / "docs" / "anomalies.md").read_text("utf-8")
    shown = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    lines = [shlex.split(line) for line in shown if line.startswith(("bursar alerts", "bursar markers"))]
    assert len(lines) == 3
    for _, *words in lines:
        told = bursar(*words)
        assert told.code == 0, (words, told.err)
    rules = {rule.name: rule.what for rule in site.alerts().rules()}
    assert (rules["brake"].action, rules["brake"].automatic) == ("throttle", True)
    assert (rules["swaps"].action, rules["swaps"].automatic) == ("cheaper", False)


@pytest.mark.slow
def test_markers_are_added_and_listed(bursar, site):
    assert bursar("markers", "add", "search 4.2", "--scope", "feature=search").code == 0
    assert "is no time" in bursar("markers", "add", "x", "--at", "soon").err
    (row,) = csv.DictReader(io.StringIO(bursar("markers", "list", "--format", "csv").out))
    assert (row["title"], row["scope"], row["source"], row["kind"]) == ("search 4.2", "feature=search", "cli", "deploy")
