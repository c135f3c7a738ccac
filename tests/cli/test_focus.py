"""`bursar focus`: a file out, a bill in, and what is told of both."""

import csv
import json
import shutil
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from tests.cli.conftest import Bursar
from tests.finance.focus.test_importing import bill, row


@pytest.fixture(scope="module")
def mine(history: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """`--data` of a copy, into which bills can come."""
    data = tmp_path_factory.mktemp("focus") / "data"
    shutil.copytree(history, data)
    return "--data", str(data)


def test_an_export_ties_with_costs_and_says_what_it_leaves_out(bursar: Bursar, mine: tuple[str, str], tmp_path: Path):
    out = tmp_path / "focus.csv"
    done = bursar("focus", "export", "--period", "30d", "-o", str(out), "--split", "customer", *mine)
    told = json.loads(bursar("costs", "--period", "30d", "--tz", "UTC", "--format", "json", *mine).out)
    rows = list(csv.DictReader(out.read_text("utf-8").splitlines()))
    assert sum(Decimal(one["EffectiveCost"]) for one in rows) == Decimal(told["totals"]["effective_cost"])
    unpriced = told["totals"]["unpriced_count"]
    assert done.code == (1 if unpriced else 0), done.err
    assert (tmp_path / "focus.csv.unpriced.csv").exists() == bool(unpriced)
    again = bursar(
        "focus", "export", "--period", "30d", "--format", "parquet", "-o", str(tmp_path / "f.parquet"), *mine
    )
    assert again.code == done.code
    costs = duckdb.connect().read_parquet(str(tmp_path / "f.parquet")).aggregate("SUM(EffectiveCost)").fetchall()
    assert costs[0][0] == Decimal(told["totals"]["effective_cost"])
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".focus")] == []


def test_a_bill_is_imported_once_listed_and_seen_beside_llm_cost(bursar: Bursar, mine: tuple[str, str], tmp_path: Path):
    file = str(bill(tmp_path, [row("12.5", month="2026-10")], "cloud.csv"))
    first, second = (bursar("focus", "import", file, *mine) for _ in range(2))
    assert (first.code, second.code) == (0, 0), first.err
    assert "1 rows: 1 added, 0 were there already" in first.err + first.out
    assert "0 added, 1 were there already" in second.err + second.out
    listed = bursar("focus", "imports", "--format", "csv", *mine).out.splitlines()
    assert listed[1].split(",")[1] == "cloud.csv"
    words = ("costs", "--period", "2026-10-30", "--by", "provider", "--filter", "source=imported", "--format", "csv")
    assert "Cloud Co" in bursar(*words, *mine).out


def test_what_does_not_fit_is_told_by_line_and_no_file_is_half_written(
    bursar: Bursar, mine: tuple[str, str], tmp_path: Path
):
    refused = bursar("focus", "import", str(bill(tmp_path, [row("x")])), *mine)
    assert refused.code == 1
    assert "line 2: BilledCost is 'x'" in refused.out + refused.err
    assert bursar("focus", "import", str(tmp_path / "none.csv"), *mine).code == 2
    wrong = bursar("focus", "export", "-o", str(tmp_path / "f.csv"), "--split", "model", *mine)
    assert (wrong.code, (tmp_path / "f.csv").exists()) == (2, False)
    assert "can't be split by 'model'" in wrong.err
