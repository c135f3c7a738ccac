"""`bursar rates`, as a person types it."""

import json

from bursar.domain.clock import SystemClock, datetime_from_us


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


def test_a_budget_in_another_currency_takes_todays_rate_where_none_is_given(bursar, tmp_path):
    data = ("--data", str(tmp_path / "data"))
    create = ("budgets", "create", "india", "--limit", "500000", "--window", "month", "--currency", "INR")
    refused = bursar(*create, *data)
    assert "needs one: --rate" in refused.err
    today = datetime_from_us(SystemClock().now_us()).date()
    bursar(
        "rates", "add", "USD", "INR", "80", "--on", str(today), "--purpose", "report", "--source", "FBIL", *data,
    )  # fmt: skip
    made = bursar(*create, "--format", "json", *data)
    assert made.code == 0, made.err
    shown = json.loads(bursar("budgets", "show", "india", "--format", "json", *data).out)
    assert shown["rate"] == {"usd": "0.0125", "source": "FBIL", "as_of": str(today)}


def test_a_budget_in_another_currency_takes_a_newer_rate_when_asked(bursar, tmp_path):
    data = ("--data", str(tmp_path / "data"))
    made = bursar("budgets", "create", "europe", "--limit", "100", "--currency", "EUR", "--rate", "1.08",
                  "--rate-source", "ECB", "--rate-date", "2026-01-02", "--no-opening", *data)  # fmt: skip
    assert made.code == 0, made.err
    assert "no newer one is known" in bursar("budgets", "rate", "europe", *data).err
    today = datetime_from_us(SystemClock().now_us()).date().isoformat()
    added = bursar("rates", "add", "EUR", "USD", "1.25", "--on", today, "--purpose", "report", "--source", "ECB", *data)
    assert added.code == 0, added.err
    assert f"1 EUR = 1.25 USD from now on, ECB, {today}" in bursar("budgets", "rate", "europe", *data).err
    assert "rate: 1 EUR = 1.25 USD" in bursar("budgets", "show", "europe", *data).out
