"""`bursar savings`, on a directory whose console isn't running: steps that add up, in each form."""

import csv
import io
import json
import re
from decimal import Decimal
from pathlib import Path

import pytest

from bursar.domain.savings import COLUMNS, LEVERS


def test_by_lever_the_steps_lead_from_what_it_would_have_cost_to_what_it_did(bursar, filled):
    words = ("savings", "--period", "7d", "--data", str(filled))
    shown = bursar(*words)
    assert shown.code == 0
    for text in ("without any lever", "− prompt cache", "= list cost", "= effective cost"):
        assert text in shown.out
    assert "semantic cache" not in shown.out, "it made no difference, so it promises nothing"
    told = json.loads(bursar(*words, "--format", "json").out)
    totals = {name: Decimal(value) for name, value in told["totals"].items() if name.endswith("_cost")}
    saved = sum(Decimal(told["totals"][column]) for column in COLUMNS.values())
    assert saved == totals["saved_cost"] != 0
    assert totals["effective_cost"] + totals["discount_cost"] + saved == totals["counterfactual_cost"]
    rows = list(csv.DictReader(io.StringIO(bursar(*words, "--format", "csv").out)))
    assert [row["lever"] for row in rows] == list(LEVERS)
    assert sum(Decimal(row["saved_cost"]) for row in rows) == saved


@pytest.mark.parametrize(("by", "more"), [("feature", ("--limit", "3")), ("month", ("--and", "team"))])
def test_by_anything_rows_and_the_rest_are_the_total(bursar, filled, by, more):
    words = ("savings", "--by", by, *more, "--period", "7d", "--data", str(filled))
    shown = bursar(*words)
    assert shown.code == 0
    assert "total" in shown.out
    told = json.loads(bursar(*words, "--format", "json").out)
    parts = [*told["rows"], *([told["others"]] if told["others"] else [])]
    assert len(parts) > 1
    for name in ("saved_cost", "saved_prompt_cache", "counterfactual_cost", "effective_cost"):
        assert sum(Decimal(part[name] or 0) for part in parts) == Decimal(told["totals"][name])


def test_filters_and_a_period_without_calls_say_so(bursar, filled):
    words = ("savings", "--filter", "feature=nobody-has-it", "--period", "7d", "--data", str(filled))
    shown = bursar(*words)
    assert (shown.code, shown.out) == (0, "")
    assert "savings --period all" in shown.err


def test_what_it_cannot_be_told_by_is_wrong_usage(bursar, filled):
    refused = bursar("savings", "--by", "weather", "--data", str(filled))
    assert (refused.code, "there is no dimension 'weather'" in refused.err) == (2, True)


DOCS = (Path(__file__).parents[2] / "docs" / "savings.md").read_text("utf-8")


@pytest.mark.slow
def test_each_command_in_the_docs_does_what_it_says(bursar, filled):
    written = re.findall("^bursar (savings.*)$", DOCS, re.MULTILINE)
    assert len(written) >= 3
    for line in written:
        shown = bursar(*line.split(), "--data", str(filled))
        assert (shown.code, bool(shown.out)) == (0, True), line
