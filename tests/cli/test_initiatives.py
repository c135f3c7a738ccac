import csv
import io
import json
import re
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bursar.cli.commands.initiatives import _book
from bursar.config import load_config
from bursar.domain.initiatives import Guard
from bursar.site import Site

DOCS = Path(__file__).parents[2] / "docs"
SET = ("initiatives", "set", "prompts", "--owner", "ada", "--target", "500", "--baseline", "2026-08-01..2026-08-31")


@pytest.mark.slow
def test_one_is_planned_started_and_shown_with_what_it_says(bursar):
    made = bursar(
        *SET, "--filter", "feature=checkout", "--start", "2026-09-01", "--unit", "tag:pages", "--mix", "feature, team",
        "--compare", "feature=search", "--guard", "feedback=0.8", "--hypothesis", "shorter", "--format", "json",
    )  # fmt: skip
    assert made.code == 0, made.err
    told = json.loads(made.out)
    assert (told["name"], told["status"], told["terms"]["mix"]) == ("prompts", "planned", ["feature", "team"])
    terms = _book(Site(load_config(env={}))).one("prompts").terms
    assert (terms.filters, terms.comparison, terms.guard) == (
        ("feature=checkout",), ("feature=search",), Guard("feedback", 0.8),
    )  # fmt: skip
    assert "is running: it counts from 2026-09-01" in bursar("initiatives", "start", "prompts").err
    assert "is done" in bursar("initiatives", "done", "prompts").err
    assert "until before 2026-10-01" in bursar("initiatives", "stop", "prompts", "--on", "2026-10-01").err
    assert "no_baseline" not in bursar("initiatives", "list").out
    listed = list(csv.DictReader(io.StringIO(bursar("initiatives", "list", "--format", "csv").out)))
    assert [(row["initiative"], row["status"], row["ended"]) for row in listed] == [
        ("prompts", "stopped", "2026-10-01")
    ]
    assert "prompts, stopped, ada" in bursar("initiatives", "show", "prompts").out
    assert json.loads(bursar("initiatives", "show", "prompts", "--format", "json").out)["status"] == "stopped"
    shown = list(csv.DictReader(io.StringIO(bursar("initiatives", "show", "prompts", "--format", "csv").out)))
    assert shown == listed
    assert "what was booked of it stays" in bursar("initiatives", "remove", "prompts").err
    assert "no initiatives" in bursar("initiatives", "list").err


def test_a_day_that_is_none_is_refused(bursar):
    bursar(*SET)
    assert "is no day; write 2026-11-01" in bursar("initiatives", "start", "prompts", "--on", "soon").err


def test_setting_again_says_all_anew(bursar):
    bursar(*SET, "--guard", "error_rate=2", "--compare", "none")
    assert _book(Site(load_config(env={}))).one("prompts").terms.comparison == ()
    bursar(*SET)
    terms = _book(Site(load_config(env={}))).one("prompts").terms
    assert (terms.guard, terms.comparison) == (None, ("auto",))
    assert "nothing is measured before" in bursar(*SET).err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--target", "much"), "target"),
        (("--target", "0"), "target: USD a month"),
        (("--baseline", "august"), "baseline:"),
        (("--baseline", "2026-08-01..2026-08-02"), "2 days long"),
        (("--baseline", "2026-08-01..soon"), "baseline_to"),
        (("--start", "2026-08-15"), "start on 2026-09-01 or later"),
        (("--filter", "colour=red"), "filters: there is no dimension"),
        (("--unit", "duration_ms"), "can't be what cost is divided by"),
        (("--mix", "model"), "mix:"),
        (("--guard", "smiles=2"), "guard.metric"),
        (("--guard", "feedback"), "guard:"),
        (("--compare", "auto", "--compare", "team=a"), "either auto or filters"),
    ],
)
def test_a_mistake_says_what_to_write(bursar, words, said):
    told = bursar(*SET, *words)
    assert told.code == 2
    assert "[bad_control]" in told.err
    assert said in told.err


@pytest.mark.slow
def test_what_was_measured_is_listed_and_closed_months_are_booked(bursar, filled):
    """Over three days of history: a baseline of a week has two of them, and that is too little; it says so."""
    data = ("--data", str(filled))
    today = datetime.now(UTC).date()
    baseline = f"{today - timedelta(days=30)}..{today - timedelta(days=2)}"
    words = ("--owner", "ada", "--target", "5", "--baseline", baseline, "--start", str(today - timedelta(days=1)))
    assert bursar("initiatives", "set", "all", *words, *data).code == 0
    bursar("initiatives", "start", "all", *data)
    (one,) = json.loads(bursar("initiatives", "list", "--format", "json", *data).out)
    assert one["baseline_calls"] > 50
    assert one["months"][0]["calls"] > 50
    table = bursar("initiatives", "list", *data)
    assert "all: " in table.out
    assert "nothing to book" in bursar("initiatives", "book", *data).err
    assert "nothing is booked yet" in bursar("initiatives", "bookings", *data).err
    bursar("initiatives", "remove", "all", *data)


@pytest.mark.slow
def test_the_commands_shown_in_the_docs_work(bursar):
    (shown,) = re.findall(r"```sh\n(.*?)```", (DOCS / "initiatives.md").read_text("utf-8"), re.DOTALL)
    lines = [shlex.split(line, comments=True) for line in shown.splitlines()]
    assert len(lines) > 8
    for program, *words in lines:
        assert program == "bursar"
        told = bursar(*words)
        assert told.code == 0, (words, told.err)
