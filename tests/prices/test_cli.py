"""`bursar price` and `bursar prices`, as a person types them."""

import csv
import io
import json
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bursar.cli.main import build_app
from bursar.domain.errors import BadRequest, Unpriced


@pytest.fixture
def bursar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: str) -> Result:
        return CliRunner().invoke(build_app(words[0]), [*words])

    return run


def test_a_price_is_told_line_by_line(bursar):
    result = bursar("price", "gpt-4o", "--input", "1000", "--output", "200", "--cache-read", "300", "--format", "json")
    answer = json.loads(result.stdout)
    assert result.exit_code == 0
    assert answer["sku_price_id"] == "genai-prices:openai/gpt-4o@origin#default"
    assert [(line["unit"], line["quantity"], line["list_cost"]) for line in answer["lines"]] == [
        ("input", 1000, "0.0025"),
        ("cache_read", 300, "0.000375"),
        ("output", 200, "0.002"),
    ]
    assert (answer["list_cost"], answer["list_cost_without_cache"]) == ("0.004875", "0.00525")
    assert answer["quality"] == "reported"


def test_a_table_has_the_total_and_where_the_price_is_from(bursar):
    result = bursar("price", "openai/gpt-4o", "--input", "1000000", "--at", "2026-03-01")
    assert result.exit_code == 0
    assert "openai/gpt-4o" in result.stdout
    assert "total" in result.stdout
    assert "2.5" in result.stdout
    assert "genai-prices" in result.stdout


def test_csv_rows_are_the_lines(bursar):
    result = bursar("price", "claude-sonnet-4-5", "--input", "10", "--output", "5", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [(row["unit"], row["list_cost"]) for row in rows] == [("input", "0.00003"), ("output", "0.000075")]


def test_an_unknown_model_is_unpriced_and_a_finding(bursar):
    result = bursar("price", "no-such-model", "--input", "10", "--format", "json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["quality"] == "unpriced"
    assert json.loads(result.stdout)["list_cost"] is None


def test_a_unit_without_a_price_is_unpriced_too(bursar):
    result = bursar("price", "text-embedding-3-small", "--output", "10", "--format", "json")
    assert result.exit_code == 1
    assert "output" in json.loads(result.stdout)["error"]


def test_an_unknown_tier_says_that_it_is_a_guess(bursar):
    answer = json.loads(bursar("price", "gpt-4o", "--input", "1", "--tier", "scale", "--format", "json").stdout)
    assert (answer["tier_known"], answer["quality"]) == (False, "estimated")


def test_a_date_that_is_none_is_wrong_usage(bursar):
    assert isinstance(bursar("price", "gpt-4o", "--at", "yesterday").exception, BadRequest)


def test_a_local_price_file_is_used_and_its_faults_are_told(bursar, tmp_path: Path):
    data = tmp_path / "bursar-data"
    data.mkdir()
    (data / "prices.toml").write_text('[[price]]\nprovider="openai"\nmodel="gpt-4o"\ninput=1\n[[price]]\n', "utf-8")
    result = bursar("price", "gpt-4o", "--input", "1000000", "--format", "json")
    assert json.loads(result.stdout)["list_cost"] == "1"
    assert "prices.toml:5: no price for any unit" in result.stderr
    assert sorted(data.iterdir()) == [data / "prices.toml"]


def test_a_model_shows_every_dated_price(bursar):
    rows = json.loads(bursar("prices", "show", "o3", "--format", "json").stdout)
    standard = [row for row in rows if row["tier"] == "default"]
    assert [(row["output"], row["valid_from"]) for row in standard] == [("40", None), ("8", "2025-06-10")]
    assert {row["tier"] for row in rows} == {"default", "batch", "fast", "flex", "priority"}
    daily = json.loads(bursar("prices", "show", "deepseek-chat", "--format", "json").stdout)
    assert {row["daily"] for row in daily} == {"00:00-00:30", "00:30-16:30", "16:30-24:00"}
    assert isinstance(bursar("prices", "show", "no-such-model").exception, Unpriced)


def test_a_list_is_of_one_provider_and_pattern(bursar):
    rows = json.loads(bursar("prices", "list", "--provider", "openai", "--model", "gpt-4o*", "--format", "json").stdout)
    assert {row["provider"] for row in rows} == {"openai"}
    assert {"gpt-4o", "gpt-4o-mini"} <= {row["model"] for row in rows}
    table = bursar("prices", "list", "--provider", "openai", "--model", "gpt-4o")
    assert "USD per million" in table.stdout


def test_a_check_finds_conflicts_and_jumps_until_they_are_accepted(bursar, tmp_path: Path):
    result = bursar("prices", "check", "--provider", "openai", "--format", "json")
    findings = json.loads(result.stdout)["findings"]
    assert result.exit_code == 1
    assert {finding["kind"] for finding in findings} == {"conflict", "jump"}
    o3 = next(f for f in findings if f["kind"] == "jump" and (f["model"], f["unit"]) == ("o3", "output"))
    assert (o3["needs_approval"], Decimal(o3["ratio"])) == (True, 5)
    table = bursar("prices", "check", "--provider", "openai", "--limit", "3")
    assert "needs approval" in table.stdout
    assert f"{len(findings) - 3} more" in table.stdout
    (tmp_path / "bursar-data").mkdir()
    (tmp_path / "bursar-data" / "prices.toml").write_text(
        '[[accept]]\nprovider="openai"\nmodel="*"\nreason="looked at in November"\n', "utf-8"
    )
    assert bursar("prices", "check", "--provider", "openai").exit_code == 0
