import csv
import io
import json
import shutil
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from bursar.budgets.listing import decode_budgets


@pytest.fixture
def books(filled: Path, tmp_path: Path) -> Path:
    """A data directory of its own with three days of calls, in the spool or loaded, where `bursar` looks by itself."""
    shutil.copytree(filled, tmp_path / "bursar-data", ignore=shutil.ignore_patterns("run", "control*"))
    return tmp_path / "bursar-data"


def listed(bursar) -> dict[str, dict[str, object]]:
    return {row["name"]: row for row in json.loads(bursar("budgets", "list", "--format", "json").out)}


def listed_cost(bursar, *words: str) -> dict[str, Decimal]:
    told = json.loads(bursar("costs", *words, "--format", "json").out)
    return {row["keys"][0]: Decimal(row["list_cost"]) for row in told["rows"] if row["list_cost"]}


def test_a_budget_is_published_to_the_workers_as_it_was_asked_for(bursar, tmp_path: Path):
    made = bursar(
        "budgets", "create", "growth", "--limit", "460.5", "--window", "fy:04@Asia/Kolkata", "--where", "team=growth",
        "--where", "tag:plan=pro", "--each", "customer", "--mode", "expected", "--overshoot", "5", "--currency", "eur",
        "--rate", "1.08", "--rate-source", "ECB", "--rate-date", "2026-11-01", "--carry-cap", "100",
        "--threshold", "70", "--contact", "finance@acme.test",
    )  # fmt: skip
    assert made.code == 0, made.err
    (budget,) = decode_budgets((tmp_path / "bursar-data" / "budgets.msgpack").read_bytes())
    assert budget.match == {"team": "growth", "tag:plan": "pro"}
    assert (budget.limit.limit_pico, budget.overshoot_pico) == (460_500_000_000_000, 5 * 10**12)
    assert (budget.window.spec.kind, budget.window.spec.timezone) == ("fiscal-year", "Asia/Kolkata")
    assert budget.rate is not None
    assert (budget.currency, budget.rate.usd_pico) == ("EUR", 1_080_000_000_000)
    assert budget.carry is not None
    assert [one.percent for one in budget.thresholds] == [70]
    row = listed(bursar)["growth"]
    assert (row["limit"], row["limit_usd"], row["overshoot_usd"]) == ("460.5", "497.34", "5.4")
    assert bursar("budgets", "remove", "growth").code == 0
    assert decode_budgets((tmp_path / "bursar-data" / "budgets.msgpack").read_bytes()) == []


def test_a_key_is_named_and_its_calls_are_known_by_its_id(bursar, tmp_path: Path):
    key = json.loads(bursar("keys", "create", "ci", "--format", "json").out)
    assert bursar("budgets", "create", "ci", "--limit", "5", "--where", "credential=ci").code == 0
    (budget,) = decode_budgets((tmp_path / "bursar-data" / "budgets.msgpack").read_bytes())
    assert budget.match == {"credential": key["id"]}


@pytest.mark.parametrize(("threshold", "told"), [("80:route=nosuch", "nosuch"), ("120:block", "never reached")])
def test_a_threshold_that_can_never_act_is_refused_wherever_it_is_set(
    bursar, tmp_path: Path, threshold: str, told: str
):
    refused = bursar("budgets", "create", "ci", "--limit", "5", "--threshold", threshold)
    assert (refused.code, told in refused.err) == (2, True), refused.err
    assert listed(bursar) == {}
    assert bursar("budgets", "create", "ci", "--limit", "5", "--threshold", "80:route=gpt-4o-mini").code == 0
    refused = bursar("budgets", "thresholds", "ci", "50", threshold)
    assert (refused.code, told in refused.err) == (2, True), refused.err
    file = tmp_path / "bursar.yaml"
    file.write_text(f'version: 1\nbudgets:\n  ci:\n    limit: 6\n    thresholds:\n      - "50"\n      - {threshold}\n')
    refused = bursar("apply", "-f", str(file))
    assert (refused.code, told in refused.err, "line 7" in refused.err) == (2, True, True), refused.err
    assert listed(bursar)["ci"]["limit"] == "5"


def test_a_limit_that_cannot_be_counted_changes_no_budget(bursar):
    assert bursar("budgets", "create", "ci", "--limit", "100000000000000").code == 0
    assert "at most" in bursar("budgets", "raise", "ci", "--limit", "100000000000001").err
    assert listed(bursar)["ci"]["limit"] == "100000000000000"


def test_what_was_spent_in_the_running_window_already_counts_and_is_said(bursar, books: Path):
    made = bursar("budgets", "create", "all", "--limit", "1000", "--window", "lifetime", "--mode", "expected")
    assert "was spent in this window already, and counts" in made.err
    assert "Nothing is left" not in made.err
    assert "Nothing is left: such calls are refused" in bursar("budgets", "create", "tiny", "--limit", "0.01").err
    spent = sum(listed_cost(bursar, "--by", "feature", "--period", "all").values())
    assert spent > 0
    row = listed(bursar)["all"]
    assert Decimal(str(row["spent_usd"])) == spent
    assert Decimal(str(row["left_usd"])) == 1000 - spent


def test_show_tells_when_it_will_be_exhausted(bursar, books: Path):
    bursar("budgets", "create", "all", "--limit", "1000", "--window", "lifetime")
    told = json.loads(bursar("budgets", "show", "all", "--format", "json").out)["forecast"]
    assert told["state"] in ("exhausts", "holds")
    assert "at this pace" in told["said"]
    shown = bursar("budgets", "show", "all").out
    assert f"forecast: {told['said'][:12]}" in shown
    assert "a day, " in shown


def test_only_the_calls_of_the_budget_count_each_value_by_itself(bursar, books: Path):
    before = listed_cost(
        bursar, "--by", "customer", "--period", "all", "--filter", "feature=support-bot", "--limit", "999"
    )
    bursar(
        "budgets", "create", "fair", "--limit", "5", "--window", "year", "--each", "customer", "--where",
        "feature=support-bot",
    )  # fmt: skip
    told = json.loads(bursar("budgets", "show", "fair", "--format", "json").out)
    assert {one["value"]: Decimal(one["spent_usd"]) for one in told["balances"]} == {
        name: cost for name, cost in before.items() if name
    }
    assert told["budget"]["nearest"] == max(told["balances"], key=lambda one: Decimal(one["spent_usd"]))["value"]


def test_a_budget_about_a_model_counts_the_calls_that_asked_for_it(bursar, books: Path):
    costs = listed_cost(bursar, "--by", "model_asked", "--period", "all")
    model = max(costs, key=lambda name: costs[name])
    bursar("budgets", "create", "model", "--limit", "1000", "--window", "lifetime", "--where", f"model={model}")
    assert Decimal(str(listed(bursar)["model"]["spent_usd"])) == costs[model]


def test_of_a_rolling_window_what_was_spent_counts_only_while_it_is_in_it(bursar, books: Path):
    bursar("budgets", "create", "day", "--limit", "1000", "--window", "rolling:24h")
    bursar("budgets", "create", "week", "--limit", "1000", "--window", "rolling:168h")
    rows = listed(bursar)
    assert 0 < Decimal(str(rows["day"]["spent_usd"])) < Decimal(str(rows["week"]["spent_usd"]))
    assert Decimal(str(rows["week"]["spent_usd"])) == sum(listed_cost(bursar, "--period", "all").values())


def test_a_budget_can_begin_at_zero(bursar, books: Path):
    assert "begins at zero" in bursar("budgets", "create", "new", "--limit", "5", "--no-opening").err
    assert "share of its limit" in bursar("budgets", "create", "part", "--limit", "5", "--prorate").err
    rows = listed(bursar)
    assert (rows["new"]["spent_usd"], rows["part"]["spent_usd"]) == ("0", "0")
    assert Decimal(str(rows["part"]["limit_usd"])) < 5


def test_a_limit_is_raised_for_a_while_with_a_reason_and_is_what_it_was_after(bursar):
    bursar("budgets", "create", "ci", "--limit", "5", "--window", "lifetime")
    year = datetime.now(UTC).year + 1
    assert "says its reason" in bursar("budgets", "raise", "ci", "--limit", "8", "--until", f"{year}-12-01").err
    raised = bursar("budgets", "raise", "ci", "--limit", "8", "--until", f"{year}-12-01T00:00", "--reason", "launch")
    assert "ci has 8 USD until" in raised.err
    told = json.loads(bursar("budgets", "show", "ci", "--format", "json").out)
    assert (told["budget"]["limit"], told["first_limit"]) == ("8", "5")
    assert [(one["reason"], one["in_force"]) for one in told["changes"]] == [("launch", True)]
    assert "launch (in force)" in bursar("budgets", "show", "ci").out


def test_the_table_tells_the_reset_the_rate_and_the_bound_of_an_overshoot(bursar):
    bursar(
        "budgets", "create", "eur", "--limit", "100", "--currency", "EUR", "--rate", "1.08", "--rate-source", "ECB",
        "--rate-date", "2026-11-01", "--mode", "expected",
    )  # fmt: skip
    told = bursar("budgets", "show", "eur").out
    assert "€100.00" in told
    assert "resets at 1 " in told
    assert "over its limit by $10.80 at most" in told
    assert "rate: 1 EUR = 1.08 USD, ECB, 2026-11-01" in told


def test_the_csv_has_exact_amounts_and_no_cell_where_nothing_is_known(bursar):
    bursar("budgets", "create", "tiny", "--limit", "0.000000000001", "--window", "lifetime")
    (row,) = csv.DictReader(io.StringIO(bursar("budgets", "list", "--format", "csv").out))
    assert (row["limit"], row["left_usd"], row["window_end"], row["contact"]) == ("0.000000000001",) * 2 + ("", "")


def test_no_budgets_yet_is_one_line_that_makes_one(bursar):
    bursar("keys", "create", "ci")
    assert "budgets create NAME --limit" in bursar("budgets", "list").err


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--limit", "many"), "is not an amount"),
        (("--limit", "-1"), "is not an amount of money"),
        (("--limit", "100000000000001"), "100,000,000,000,000 at most"),
        (("--limit", "1e999999999"), "at most"),
        (("--limit", "NaN"), "is not an amount of money"),
        (
            ("--limit", "90000000000000", "--currency", "KWD", "--rate", "3.25", "--rate-source", "x"),
            "worth $100,000,000,000,000 at most",
        ),
        (("--limit", "5", "--where", "credential=nobody"), "no key is named 'nobody'"),
        (("--limit", "5", "--window", "fortnight"), "fortnight"),
        (("--limit", "5", "--window", "2020-01-01..2020-02-01"), "is over"),
        (("--limit", "5", "--mode", "soft"), "strict, expected, clamp or warn"),
        (("--limit", "5", "--where", "feature"), "write it as feature=checkout"),
        (("--limit", "5", "--where", "team=a", "--where", "team=b"), "given twice"),
        (("--limit", "5", "--where", "colour=red"), "no dimension"),
        (("--limit", "5", "--currency", "EUR"), "--rate"),
        (("--limit", "5", "--overshoot", "1"), "mode expected"),
        (
            ("--limit", "5", "--currency", "EUR", "--rate", "1.1", "--rate-source", "x", "--rate-date", "then"),
            "no date",
        ),
    ],
)
def test_a_mistake_is_told_in_one_line_and_nothing_is_made(bursar, words: tuple[str, ...], complaint: str):
    made = bursar("budgets", "create", "ci", *words)
    assert made.code == 2
    assert complaint in made.err
    assert len(made.err.splitlines()) == 1
    assert bursar("budgets", "list", "--format", "json").out.strip() in ("", "[]")


def test_a_limit_that_workers_could_not_read_is_refused_before_it_is_kept(bursar):
    for amount in ("100000000000001", "1e30", "0.0000000000001", "NaN", "-1"):
        refused = bursar("budgets", "create", "big", f"--limit={amount}", "--no-opening")
        assert (refused.code, "bad_budget" in refused.err) == (2, True), amount
    assert bursar("budgets", "create", "big", "--limit", "100000000000000", "--no-opening").code == 0


@pytest.mark.parametrize(
    ("limit", "more"),
    [
        ("50000000", ()),
        ("3000000000", ("--currency", "JPY", "--rate", "0.0067", "--rate-source", "ECB")),
    ],
)
def test_a_budget_of_millions_is_kept_shown_exported_and_applied_to_the_last_digit(bursar, tmp_path, limit, more):
    assert bursar("budgets", "create", "big", "--limit", f"{limit}.000000000001", "--window", "year", *more).code == 0
    assert listed(bursar)["big"]["limit"] == f"{limit}.000000000001"
    (kept,) = decode_budgets((tmp_path / "bursar-data" / "budgets.msgpack").read_bytes())
    assert kept.limit.limit_pico == int(limit) * 10**12 + 1
    file = tmp_path / "site.yaml"
    file.write_text(bursar("export").out)
    assert bursar("budgets", "remove", "big").code == 0
    assert bursar("apply", "-f", str(file)).code == 0
    assert listed(bursar)["big"]["limit"] == f"{limit}.000000000001"
