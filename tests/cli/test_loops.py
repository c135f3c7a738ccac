"""`bursar loops`: what is cut, letting it go, and what was wasted, on a directory whose console isn't running."""

import csv
import io
import json
from decimal import Decimal
from pathlib import Path

import pytest

from bursar.domain.clock import SystemClock
from bursar.gateway.loop_cuts import LIFTED_FILE, Cut, read_lifts, write_cuts
from bursar.governance.audit import audit_entries
from bursar.governance.store import ControlStore


@pytest.fixture
def cut(filled: Path) -> Cut:
    """One loop that is cut, as a worker writes it down."""
    now_us = SystemClock().now_us()
    found = Cut(
        cut_id="loop-00000000aa", sign="repeat", scope="request", key=170, credential_id="vk_demo", session="",
        agent="", feature="billing-sync", model="gpt-5.6-sol", fingerprint="ab" * 16, error_code="", calls=6,
        unpriced=0, cost_pico=300_960_000_000, first_us=now_us - 60_000_000, since_us=now_us - 1_000_000,
        until_us=now_us + 7_200_000_000, refused=3,
    )  # fmt: skip
    (filled / "run" / LIFTED_FILE).unlink(missing_ok=True)
    write_cuts(filled / "run" / "loops-0.json", [found])
    return found


def test_a_cut_is_listed_and_is_a_finding(bursar, filled, cut):
    shown = bursar("loops", "list", "--data", str(filled))
    assert shown.code == 1
    for text in (cut.cut_id, "billing-sync", "the same request came 6 times in 59 s", "$0.301"):
        assert text in shown.out
    (told,) = json.loads(bursar("loops", "list", "--data", str(filled), "--format", "json").out)["cuts"]
    assert (told["id"], told["cost"], told["refused"]) == (cut.cut_id, "0.30096", 3)
    (row,) = csv.DictReader(io.StringIO(bursar("loops", "list", "--data", str(filled), "--format", "csv").out))
    assert row["id"] == cut.cut_id


def test_a_cut_is_lifted_once_and_the_audit_log_says_by_whom(bursar, filled, cut):
    done = bursar("loops", "lift", cut.cut_id, "--data", str(filled))
    assert done.code == 0
    assert f"{cut.cut_id} is lifted" in done.err
    (lift,) = read_lifts(filled / "run")
    assert (lift.cut.cut_id, lift.actor[:4]) == (cut.cut_id, "cli:")
    with ControlStore(filled / "control.sqlite").reading() as connection:
        entry = audit_entries(connection)[-1]
    assert (entry.action, entry.subject) == ("loop.lift", cut.cut_id)
    again = bursar("loops", "lift", cut.cut_id, "--data", str(filled))
    assert (again.code, "[unknown_loop]" in again.err) == (2, True)
    assert bursar("loops", "list", "--data", str(filled)).code == 0


@pytest.mark.parametrize("by", ["cause", "feature", "key"])
def test_waste_adds_up_whatever_it_is_told_by(bursar, filled, by):
    words = ("loops", "waste", "--by", by, "--period", "7d", "--data", str(filled))
    shown = bursar(*words)
    assert shown.code == 0
    assert "all" in shown.out
    rows = list(csv.DictReader(io.StringIO(bursar(*words, "--format", "csv").out)))
    told = json.loads(bursar(*words, "--format", "json").out)
    assert sum(Decimal(row["effective_cost"] or 0) for row in rows) == Decimal(told["total"]["effective_cost"])


def test_what_waste_cannot_be_told_by_is_wrong_usage(bursar, filled):
    refused = bursar("loops", "waste", "--by", "weather", "--data", str(filled))
    assert (refused.code, "cause, feature, key" in refused.err) == (2, True)
