"""`bursar rates`, as a person types it."""

import json


def test_rates_are_added_imported_listed_and_asked(bursar, tmp_path):
    data = str(tmp_path / "data")
    added = bursar(
        "rates", "add", "usd", "INR", "89.1250", "--on", "2026-11-12", "--purpose", "gst", "--source", "FBIL", "--data",
        data,
    )  # fmt: skip
    assert (added.code, added.err) == (0, "1 added, 0 there already.\n")
    file = tmp_path / "ecb.csv"
    file.write_text("Date, USD, INR\n12 November 2026, 1.1542, 102.81\n")
    read = bursar(
        "rates", "import", str(file), "--base", "EUR", "--purpose", "report", "--source", "ECB", "--data", data
    )
    assert (read.code, read.err) == (0, "2 added, 0 there already.\n")
    listed = json.loads(bursar("rates", "list", "--format", "json", "--data", data).out)
    assert [row["rate"] for row in listed] == ["102.81", "1.1542", "89.125"]
    shown = bursar("rates", "show", "USD", "INR", "--on", "2026-11-12", "--data", data)
    assert shown.code == 0
    assert "through EUR, ECB, 2026-11-12" in shown.err
    unknown = bursar("rates", "show", "USD", "INR", "--on", "2026-11-12", "--purpose", "tds", "--data", data)
    assert unknown.code == 1
    assert "no rate of USD in INR is known" in unknown.err


def test_a_mistake_names_its_field_and_is_wrong_usage(bursar, tmp_path):
    wrong = bursar(
        "rates", "add", "USD", "INR", "much", "--on", "2026-11-12", "--purpose", "gst", "--source", "x", "--data",
        str(tmp_path / "data"),
    )  # fmt: skip
    assert wrong.code == 2
    assert "rate:" in wrong.err
