"""`bursar maturity`: the step and what climbs it for people and machines; a person's word; the docs' commands run."""

import csv
import io
import json
import re
import shlex
from pathlib import Path

import pytest

from bursar.maturity.steps import CHECKS

PAGE = Path(__file__).parents[2] / "docs" / "maturity.md"
ADD = ("maturity", "evidence", "add", "roles_agreed", "--who", "Ada", "--text", "written in the wiki")


@pytest.mark.slow
def test_the_step_is_shown_with_what_climbs_the_next_and_as_data(filled, bursar):
    shown = bursar("maturity", "show", "--data", str(filled))
    assert shown.code == 0, shown.err
    assert re.search(r"step \d of 6", shown.out)
    assert "FinOps debt" in shown.out
    assert "Invoices not reconciled" in shown.out
    told = json.loads(bursar("maturity", "show", "--data", str(filled), "--format", "json").out)
    assert len(told["checks"]) == len(CHECKS)
    assert told["next"] == told["step"] + 1
    for act in told["acts"]:
        assert act["title"] in shown.out


def test_a_word_is_added_listed_and_withdrawn(bursar):
    bursar("keys", "create", "first")  # what makes the data directory
    assert "nobody has said anything yet" in bursar("maturity", "evidence", "list").err
    added = bursar(*ADD)
    assert (added.code, "evidence 1 speaks for roles_agreed until" in added.err) == (0, True), added.err
    (row,) = json.loads(bursar("maturity", "evidence", "list", "--format", "json").out)
    assert (row["number"], row["check_id"], row["who"], row["holds"]) == (1, "roles_agreed", "Ada", True)
    assert "written in the wiki" in bursar("maturity", "evidence", "list").out
    assert "speaks for roles_agreed no longer" in bursar("maturity", "evidence", "withdraw", "1").err
    (row,) = list(csv.DictReader(io.StringIO(bursar("maturity", "evidence", "list", "--format", "csv").out)))
    assert row["holds"] == "False"
    again = bursar("maturity", "evidence", "withdraw", "1")
    assert (again.code, "[unknown_evidence]" in again.err) == (2, True)


def test_a_review_that_was_held_is_recorded(bursar):
    bursar("keys", "create", "first")
    assert "the weekly review of" in bursar("maturity", "held", "weekly", "--by", "Ada").err
    refused = bursar("maturity", "held", "daily", "--by", "Ada")
    assert (refused.code, "weekly or monthly" in refused.err) == (2, True)


@pytest.mark.parametrize("check", ["priced", "step", "professional discipline"])
def test_nobody_declares_what_is_measured_nor_a_step(bursar, check: str):
    bursar("keys", "create", "first")
    refused = bursar("maturity", "evidence", "add", check, "--who", "Ada", "--text", "all of it is as it should be")
    assert (refused.code, "[bad_evidence]" in refused.err) == (2, True)
    assert bursar("maturity", "evidence", "list", "--format", "json").out.strip() == "[]"


@pytest.mark.slow
def test_the_commands_of_the_docs_run(filled, bursar):
    shown = re.search(r"```sh\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert shown
    commands = [shlex.split(line, comments=True)[1:] for line in shown[1].splitlines()]
    assert commands.pop() == ["bench", "maturity"]  # tests/bench has it
    for words in commands:
        done = bursar(*words, "--data", str(filled))
        assert done.code == 0, f"{words}: {done.err}"
        if "--all" in words:
            rows = list(csv.DictReader(io.StringIO(done.out)))
            assert [row["id"] for row in rows] == [check.id for check in CHECKS]
