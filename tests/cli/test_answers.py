"""Costs, calls, a call and the laws, as the CLI tells them."""

import csv
import io
import json
import shutil
from decimal import Decimal
from uuid import UUID

import duckdb
import pytest


@pytest.fixture(scope="module")
def every() -> tuple[str, str]:
    return ("--period", "all")


def test_costs_say_the_same_in_json_and_csv_and_the_rows_add_up(bursar, running, every):
    asked = ("costs", "--by", "feature", *every, "--limit", "3", "--data", str(running))
    told = json.loads(bursar(*asked, "--format", "json").out)
    rows = list(csv.DictReader(io.StringIO(bursar(*asked, "--format", "csv").out)))
    assert [row["feature"] for row in rows] == [*(row["keys"][0] for row in told["rows"]), "(others)"]
    total = sum(Decimal(row["effective_cost"]) for row in rows)
    assert total == Decimal(told["totals"]["effective_cost"]) > 0
    assert [Decimal(row["effective_cost"]) for row in rows[:3]] == sorted(
        (Decimal(row["effective_cost"]) for row in rows[:3]), reverse=True
    )


def test_costs_as_a_table_end_with_the_total_and_say_what_is_not_in_it(bursar, running, every):
    result = bursar("costs", "--by", "feature", "--and", "model", *every, "--data", str(running))
    assert result.code == 0
    assert "Cost by feature and model" in result.out
    assert "total" in result.out
    assert "%" in result.out


def test_the_rest_of_two_dimensions_is_not_what_said_nothing(bursar, running, every):
    asked = ("costs", "--by", "feature", "--and", "model", *every, "--limit", "2", "--data", str(running))
    (rest,) = [line for line in bursar(*asked).out.splitlines() if "others)" in line]
    assert "(none)" not in rest


def test_costs_by_day_are_one_row_a_day_and_with_and_one_for_each_group(bursar, running, every):
    asked = ("costs", "--by", "day", *every, "--data", str(running), "--format", "json")
    days = json.loads(bursar(*asked).out)
    assert days["by"] == ["day"]
    starts = [row["keys"][0] for row in days["rows"]]
    assert starts == sorted(set(starts))
    assert sum(Decimal(row["effective_cost"]) for row in days["rows"]) == Decimal(days["totals"]["effective_cost"]) > 0
    both = json.loads(bursar(*asked, "--and", "model").out)
    assert both["by"] == ["day", "model"]
    assert len(both["rows"]) > len(starts)


@pytest.mark.parametrize("by", ["customer", "team", "provider", "outcome", "tag:plan", "day"])
def test_costs_can_be_asked_by_anything(bursar, running, every, by):
    assert bursar("costs", "--by", by, *every, "--data", str(running)).code == 0


def test_what_cannot_be_asked_says_what_can(bursar, running):
    result = bursar("costs", "--by", "colour", "--data", str(running))
    assert result.code == 2
    assert "customer" in result.err
    assert "[bad_query]" in result.err
    assert "[bad_period]" in bursar("costs", "--period", "fortnight", "--data", str(running)).err


def test_an_empty_period_says_so_and_is_no_error(bursar, running):
    result = bursar("costs", "--period", "2021-01", "--data", str(running))
    assert (result.code, result.out) == (0, "")
    assert "no calls" in result.err


def test_a_filter_keeps_only_what_it_names(bursar, running, every):
    result = bursar(
        "costs",
        "--by",
        "feature",
        "--filter",
        "feature=support-bot",
        *every,
        "--data",
        str(running),
        "--format",
        "json",
    )
    assert [row["keys"] for row in json.loads(result.out)["rows"]] == [["support-bot"]]


def test_a_call_opens_down_to_the_lines_that_add_up_to_its_cost(bursar, running, every):
    told = json.loads(
        bursar("calls", *every, "--order", "dearest", "--limit", "1", "--data", str(running), "--format", "json").out
    )
    (dearest,) = told["calls"]
    UUID(dearest["call_id"])
    shown = bursar("call", dearest["call_id"], "--data", str(running))
    assert shown.code == 0
    assert dearest["call_id"] in shown.out
    lines = list(
        csv.DictReader(io.StringIO(bursar("call", dearest["call_id"], "--data", str(running), "--format", "csv").out))
    )
    assert sum(Decimal(line["amount"]) for line in lines) == Decimal(dearest["effective_cost"])
    assert all(Decimal(line["quantity"]) * Decimal(line["unit_price"]) == Decimal(line["amount"]) for line in lines)


def test_calls_go_on_where_the_page_before_ended(bursar, running, every):
    def page(*more: str) -> dict[str, object]:
        return json.loads(
            bursar("calls", *every, "--limit", "5", "--data", str(running), "--format", "json", *more).out
        )

    first = page()
    second = page("--cursor", first["next_cursor"])
    ids = [call["call_id"] for call in (*first["calls"], *second["calls"])]
    assert len(set(ids)) == 10


def test_ids_in_the_table_can_be_copied_whole(bursar, running, every):
    told = json.loads(bursar("calls", *every, "--limit", "3", "--data", str(running), "--format", "json").out)
    shown = bursar("calls", *every, "--limit", "3", "--data", str(running)).out
    assert all(call["call_id"] in shown for call in told["calls"])


def test_a_call_that_nobody_made_is_wrong_usage(bursar, running):
    result = bursar("call", "018bcfe5-6800-7abc-8def-0123456789ab", "--data", str(running))
    assert result.code == 2
    assert "[unknown_call]" in result.err


@pytest.mark.parametrize(
    "words", [("costs", "--by", "feature", "--and", "model", "--period", "all"), ("calls", "--period", "all")]
)
def test_the_answer_is_the_same_with_and_without_a_running_console(bursar_apart, filled, running, words):
    alone = bursar_apart(*words, "--data", str(filled), "--format", "json")
    asked = bursar_apart(*words, "--data", str(running), "--format", "json")
    told, heard = json.loads(alone.out), json.loads(asked.out)
    told["period"]["end"] = heard["period"]["end"]  # "all" ends now
    assert told == heard
    assert alone.code == asked.code == 0


def test_the_laws_hold(bursar, running):
    told = json.loads(bursar("verify", "--data", str(running), "--format", "json").out)
    assert told["ok"], [found for found in told["findings"] if not found["ok"]]
    assert bursar("verify", "--data", str(running)).code == 0


def test_a_broken_law_is_a_finding(bursar, filled, tmp_path):
    shutil.copytree(filled, tmp_path / "tampered")
    bursar("verify", "--data", str(tmp_path / "tampered"))  # loads what waits
    with duckdb.connect(str(tmp_path / "tampered" / "ledger.duckdb")) as ledger:
        ledger.execute("UPDATE charges SET list_cost = list_cost + 1 WHERE seq = 1")
    result = bursar("verify", "--data", str(tmp_path / "tampered"))
    assert result.code == 1
    assert "BROKEN" in result.out
