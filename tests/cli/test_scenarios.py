"""`bursar scenarios`, on a directory whose console isn't running."""

import csv
import io
import json
import re
import shlex
import shutil
from decimal import Decimal
from pathlib import Path

import pytest

WAVE = "viral 1000 price=10 convert=2% cost=4 after=0"


@pytest.fixture(scope="module")
def mine(history: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, in which scenarios can be kept."""
    data = tmp_path_factory.mktemp("scenarios") / "data"
    shutil.copytree(history, data)
    return data


def test_a_comparison_as_a_table_and_as_data(bursar, mine):
    words = ("scenarios", "run", WAVE, "usage 2", "--months", "2", "--data", str(mine))
    shown = bursar(*words)
    assert shown.code == 0, shown.err
    for text in ("as it is", "usage 2", "−$3,800.00", "worlds drawn from them"):
        assert text in shown.out + shown.err, text
    rows = list(csv.DictReader(io.StringIO(bursar(*words, "--format", "csv").out)))
    assert len(rows) == 6
    assert [Decimal(row["change"]) for row in rows[2:4]] == [Decimal(-3_800)] * 2
    assert json.loads(bursar(*words, "--format", "json").out)["scenarios"][1]["place"] == "b"


def test_scenarios_are_kept_listed_tried_and_removed(bursar, mine):
    data = ("--data", str(mine))
    made = bursar("scenarios", "save", "wave", f"{WAVE}; usage 2.0", "--note", "why", *data)
    assert (made.code, f"usage 2; {WAVE}" in made.err + made.out) == (0, True), made
    listed = list(csv.DictReader(io.StringIO(bursar("scenarios", "list", "--format", "csv", *data).out)))
    assert [(row["name"], row["note"]) for row in listed] == [("wave", "why")]
    assert "wave" in bursar("scenarios", "list", *data).out
    assert "−$3,800.00" in bursar("scenarios", "run", "--saved", "wave", *data).out
    assert bursar("scenarios", "save", "wave", "usage 3", *data).code == 2
    assert bursar("scenarios", "remove", "wave", *data).code == 0
    assert bursar("scenarios", "remove", "wave", *data).code == 2
    gone = bursar("scenarios", "run", "--saved", "wave", *data)
    assert (gone.code, "bursar scenarios list" in gone.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("run", "usage two"), "step 1 (usage): factor is 'two'; write a number from 0 to 1,000"),
        (("run", "usage 2", "--months", "99"), "months"),
        (("run", "usage 2", "--base", "0"), "base"),
        (("run", *["usage 2"] * 5), "at most 4"),
        (("save", "x", "price"), "price 29 plan=pro"),
        (("save", "", "usage 2"), "1 to 120 printable characters"),
    ],
)
def test_what_can_not_be_read_is_wrong_usage(bursar, mine, words, text):
    refused = bursar("scenarios", *words, "--data", str(mine))
    assert (refused.code, text in refused.err) == (2, True), refused.err


DOCS = (Path(__file__).parents[2] / "docs" / "scenarios.md").read_text("utf-8")


def test_the_commands_of_the_docs_run_in_their_order(bursar, mine):
    written = re.findall("^bursar (scenarios .*)$", DOCS, re.MULTILINE)
    assert len(written) == 7
    for command in written:
        ran = bursar(*shlex.split(command), "--data", str(mine))
        assert ran.code == 0, f"{command}: {ran.err}"


def test_the_steps_of_the_docs_can_be_read(bursar, mine):
    steps = re.findall(r"^\| `([a-z]+ [^`]*)` \|", DOCS, re.MULTILINE)
    assert {step.split()[0] for step in steps} == {
        "usage", "model", "pricelist", "freelimit", "price", "overage", "churn", "viral",
    }  # fmt: skip
    for step in steps:
        text = step if not step.startswith("viral") else f"{step} cost=4"
        ran = bursar("scenarios", "run", text, "--data", str(mine))
        assert ran.code == 0, f"{step}: {ran.err}"
