"""`bursar report`, on a directory whose console isn't running."""

import json
from datetime import UTC, datetime
from pathlib import Path


def test_a_report_is_made_once_listed_and_saved_as_it_was_kept(bursar, filled, tmp_path: Path):
    data, month = ("--data", str(filled)), f"{datetime.now(UTC):%Y-%m}"
    made = bursar("report", "make", "pack", month, *data)
    assert made.code == 0, made.err
    again = bursar("report", "make", "pack", month, *data)
    assert "version 1 of the finance pack" in again.err + again.out
    listed = json.loads(bursar("report", "list", "--format", "json", *data).out)
    assert [one["version"] for one in listed if (one["kind"], one["month"]) == ("pack", month)] == [1]
    files = {name: tmp_path / name for name in ("pack.xlsx", "pack.pdf")}
    for path in files.values():
        assert bursar("report", "save", "pack", month, "--to", str(path), *data).code == 0
    assert files["pack.xlsx"].read_bytes().startswith(b"PK")
    assert files["pack.pdf"].read_bytes().startswith(b"%PDF")


def test_a_month_or_a_report_that_is_none_is_wrong_usage(bursar, filled, tmp_path: Path):
    data = ("--data", str(filled))
    month = bursar("report", "save", "board", "2026-13", "--to", str(tmp_path / "x.pdf"), *data)
    assert (month.code, "write 2026-10" in month.err) == (2, True)
    kind = bursar("report", "make", "bored", "2026-10", *data)
    assert (kind.code, "board and pack" in kind.err) == (2, True)
