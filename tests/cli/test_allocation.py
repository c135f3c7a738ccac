"""`bursar allocation` and `bursar statements`, on a directory whose console isn't running."""

import json
import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from bursar.domain.clock import SystemClock, datetime_from_us

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def mine(history: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("allocation") / "data"
    shutil.copytree(history, data)
    return data


def test_rules_split_a_month_that_is_shown_stated_and_charged_back(bursar, mine, tmp_path):
    data = ("--data", str(mine))
    month = datetime_from_us(SystemClock().now_us()).date().isoformat()[:7]
    made = bursar(
        "allocation", "set", "untagged", "--kind", "split", "--where", "team=", "--from", f"{month}-01", *data
    )
    assert made.code == 0, made.err
    flat = bursar(
        "allocation", "set", "seats", "--kind", "flat", "--amount", "30", "--method", "fixed", "--share", "support=100",
        "--from", f"{month}-01", *data,
    )  # fmt: skip
    assert flat.code == 0, flat.err
    assert [one["name"] for one in json.loads(bursar("allocation", "rules", "--format", "json", *data).out)] == [
        "untagged", "seats",
    ]  # fmt: skip
    told = json.loads(bursar("allocation", "show", "--month", month, "--format", "json", *data).out)
    borne = sum(Decimal(one["total"]) for one in told["shares"])
    assert borne + Decimal(told["nobody"]) + Decimal(told["left"]) == Decimal(told["ledger"]) + Decimal(told["flat"])
    shown = bursar("allocation", "show", "--month", month, *data)
    assert "borne" in shown.out, shown.err
    pdf = tmp_path / "support.pdf"
    assert bursar("statements", "support", "--month", month, "--pdf", str(pdf), *data).code == 0
    assert pdf.read_bytes()[:5] == b"%PDF-"
    assert "seats" in bursar("statements", "support", "--month", month, *data).out
    assert "is charged back by team" in bursar("allocation", "charge", month, *data).err
    assert "charged back already" in bursar("allocation", "charge", month, *data).err
    assert json.loads(bursar("close", "flat", month, "--format", "json", *data).out)[0]["amount"] == "30"
    assert "isn't over" in bursar("close", "flat", month, "--post", "--by", "Ada", *data).err
    early = ("allocation", "set", "early", "--kind", "flat", "--amount", "7", "--from", "2026-01-01", "--until")
    assert bursar(*early, "2026-01-31", *data).code == 0
    assert "to be booked" in bursar("close", "flat", "2026-01", *data).out
    assert "1 entry posted" in bursar("close", "flat", "2026-01", "early", "--post", "--by", "Ada", *data).err
    assert "booked already" in bursar("close", "flat", "2026-01", "--post", "--by", "Ada", *data).err
    assert bursar("allocation", "end", "seats", "--on", f"{month}-01", *data).code == 0
    assert bursar("allocation", "end", "none", "--on", f"{month}-01", *data).code != 0
