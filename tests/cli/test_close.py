"""`bursar close`, on a directory whose console isn't running."""

import json
import shutil
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def mine(history: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("close") / "data"
    shutil.copytree(history, data)
    return data


def test_a_running_month_is_listed_shown_and_cannot_be_closed(bursar, mine):
    data = ("--data", str(mine))
    months = json.loads(bursar("close", "list", "--format", "json", *data).out)
    last = months[-1]["month"]
    shown = bursar("close", "show", last, *data)
    assert shown.code == 0, shown.err
    assert "trial balance" in shown.out
    refused = bursar("close", "month", last, "--by", "Ada", "--accept", "--note", "x", *data)
    assert refused.code != 0
    assert "the month is over" in refused.err


def test_a_month_that_is_over_is_closed_exported_and_proved(bursar, mine, tmp_path):
    data = ("--data", str(mine))
    posted = bursar(
        "close", "post", "2026-01-20", "Credits", "Assets:Prepaid 100", "Assets:Bank -100", "--key", "c1", *data
    )
    assert (posted.code, posted.err) == (0, "posted.\n")
    closed = bursar("close", "month", "2026-01", "--by", "Ada", "--accept", "--note", "credits alone", *data)
    assert closed.code == 0, closed.err
    file = tmp_path / "january.beancount"
    assert bursar("close", "export", "2026-01", "journal.beancount", "--out", str(file), *data).code == 0
    assert "Assets:Prepaid  100.000000000000 USD" in file.read_text()
    proved = bursar("close", "prove", "2026-01", *data)
    assert (proved.code, proved.out.count("the same")) == (0, 6)
    again = bursar("close", "month", "2026-01", "--by", "Ada", "--accept", "--note", "x", *data)
    assert "closed already" in again.err


def test_the_chart_is_told_and_changed(bursar, mine, tmp_path):
    data = ("--data", str(mine))
    chart = json.loads(bursar("close", "chart", *data).out)
    (tmp_path / "chart.json").write_text(json.dumps(chart | {"expense": "Expenses:Inference"}))
    assert bursar("close", "chart", "--use", str(tmp_path / "chart.json"), *data).code == 0
    assert json.loads(bursar("close", "chart", *data).out)["expense"] == "Expenses:Inference"
