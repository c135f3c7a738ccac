"""`bursar forecast` and `bursar plans`, on a directory whose console isn't running."""

import csv
import io
import json
import re
import shutil
from decimal import Decimal
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def mine(history: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, in which plans can be made."""
    data = tmp_path_factory.mktemp("forecast") / "data"
    shutil.copytree(history, data)
    return data


def test_a_forecast_as_a_table_and_as_data_adds_up(bursar, mine):
    words = ("forecast", "--by", "team", "--growth", "10", "--data", str(mine))
    shown = bursar(*words)
    assert shown.code == 0, shown.err
    for text in ("this month", "90 days", "30 days, 4 in 5", "all", "at 10 % a month"):
        assert text in shown.out + shown.err, text
    rows = list(csv.DictReader(io.StringIO(bursar(*words, "--format", "csv").out)))
    assert {"part", "month", "month_low", "month_high", "90", "said_by", "currency"} <= set(rows[0])
    assert sum(Decimal(row["month"] or 0) for row in rows) > 0


def test_plans_are_made_listed_counted_and_removed(bursar, mine):
    data = ("--data", str(mine))
    launch = ("--from", "2030-01-01", "--percent", "30", "--scope", "feature=search")
    made = bursar("plans", "add", "launch", *launch, *data)
    assert (made.code, "+30 % of feature=search" in made.err + made.out) == (0, True)
    listed = bursar("plans", "list", "--format", "csv", *data).out.splitlines()
    assert listed[1].endswith("launch,2030-01-01,,30,volume,feature=search")
    told = json.loads(bursar("forecast", "--format", "json", *data).out)
    assert [one["plan"]["name"] for one in told["plans"]] == ["launch"]
    assert bursar("plans", "remove", "launch", *data).code == 0
    assert bursar("plans", "remove", "launch", *data).code == 2


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("forecast", "--by", "weather"), "there is no dimension 'weather'"),
        (("plans", "add", "x", "--from", "soon", "--percent", "5"), "start"),
        (("plans", "add", "x", "--from", "2026-12-01", "--percent", "0"), "percent"),
    ],
)
def test_what_can_not_be_read_is_wrong_usage(bursar, mine, words, text):
    refused = bursar(*words, "--data", str(mine))
    assert (refused.code, text in refused.err) == (2, True), refused.err


DOCS = (Path(__file__).parents[2] / "docs" / "forecast.md").read_text("utf-8")


@pytest.mark.slow
def test_each_command_in_the_docs_does_what_it_says(bursar, mine):
    written = re.findall("^bursar ((?:forecast|plans).*)$", DOCS, re.MULTILINE)
    assert len(written) >= 4
    for line in written:
        shown = bursar(*re.findall(r'"[^"]*"|\S+', line), "--data", str(mine))
        assert shown.code == 0, (line, shown.err)
